# What the rules of probes read, and their arguments for the command line.
def probe_inputs(wildcards):
    """The faces and latents of a dataset on which something is trained."""
    spec, root = PROBED[wildcards.dataset], f"results/{wildcards.scale}"
    latents = f"{root}/latents/{spec.backbone}/{spec.dataset}/{spec.px}/clean"
    return {
        "faces": f"{root}/faces/{spec.dataset}/ledger.csv",
        "train": f"{latents}/train.safetensors",
        "test": f"{latents}/{SETTINGS.split_of(spec.dataset)}.safetensors",
    }


def probe_px(wildcards):
    """Side at which faces are probed: the scale's, 64 at most."""
    return min(64, PROBED[wildcards.dataset].px)
