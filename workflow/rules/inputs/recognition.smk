# What the rules of discriminative classifiers read, and their arguments for the command line.
def classifier_inputs(wildcards):
    """What a discriminative classifier learns from: faces, latents, or its authors' checkpoint."""
    spec, root = STUDY.classifiers[wildcards.classifier], f"results/{wildcards.scale}"
    if spec.view == "latents":
        folder = f"{root}/latents/{spec.backbone}/{spec.dataset}/{spec.px}"
        return {"latents": f"{folder}/clean/train.safetensors"}
    faces = {"faces": f"{root}/faces/{spec.dataset}/ledger.csv"}
    weights = str(SETTINGS.config.data_root / spec.weights) if spec.weights else ""
    return {**faces, "weights": weights} if weights else faces


def classification_inputs(wildcards):
    """A discriminative classifier, and the faces or latents on which it decides."""
    spec = STUDY.classifications[wildcards.classification]
    root, train = f"results/{wildcards.scale}", spec.train
    inputs = {"classifier": f"{root}/classifiers/{train.id}/manifest.json"}
    if train.view == "faces":
        inputs["faces"] = f"{root}/faces/{spec.dataset}/ledger.csv"
        first = (
            [c for c in spec.corruptions if c != "clean"]
            if spec.order == "corrupt_then_align"
            else []
        )
        ledgers = [f"{root}/corrupted/{c}/{spec.dataset}/ledger.csv" for c in first]
        return {**inputs, "corrupted": ledgers} if ledgers else inputs
    folder = f"{root}/latents/{train.backbone}/{spec.dataset}/{train.px}"
    latents = [f"{folder}/{c}/{spec.split}.safetensors" for c in spec.corruptions]
    return {**inputs, "latents": latents}


def view_argument(wildcards, input):
    """What a discriminative classifier sees, for the command line."""
    if "corrupted" in input.keys():
        spec, root = asked(wildcards), f"results/{wildcards.scale}"
        pattern = f"{root}/corrupted/{{corruption}}/{spec.dataset}/ledger.csv"
        return f"--faces {input.faces} --corrupted {pattern}"
    if "latents" not in input.keys():
        return f"--faces {input.faces}"
    several = "classification" in wildcards.keys()
    return f"--latents {latents_pattern(wildcards) if several else input.latents}"


def weights_argument(wildcards, input):
    """The authors' checkpoint for the command line, where there is one."""
    return f"--weights {input.weights}" if "weights" in input.keys() else ""
