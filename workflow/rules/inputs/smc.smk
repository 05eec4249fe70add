# What the rules of SMC's diffusion model, edits and measures read, and their arguments for the command line.
def diffusion_inputs(wildcards):
    """Latents of every dataset that the diffusion model learns from."""
    spec, root = STUDY.diffusions[wildcards.diffusion], f"results/{wildcards.scale}"
    return [
        f"{root}/latents/{spec.backbone}/{dataset}/{spec.px}/clean/train.safetensors"
        for dataset in (spec.dataset, *spec.also)
    ]


def initial_weights(wildcards):
    """The released weights that training starts from, where the scale names any."""
    initial = STUDY.diffusions[wildcards.diffusion].initial
    return f"{initial}/unet/diffusion_pytorch_model.safetensors" if initial else []


def latents_arguments(wildcards, input):
    """The same for the command line."""
    return " ".join(f"--latents {path}" for path in input.latents)


def decoder_inputs(wildcards):
    """Latents that the small decoder learns from, and the autoencoder it imitates."""
    spec, root = STUDY.decoders[wildcards.decoder], f"results/{wildcards.scale}"
    return {
        "latents": f"{root}/latents/{spec.backbone}/{spec.dataset}/{spec.px}/clean/train.safetensors",
        "backbone": f"{root}/backbones/{spec.backbone}/manifest.json",
    }


def sample_inputs(wildcards):
    """The diffusion model that draws, and its autoencoder."""
    spec, root = STUDY.samples[wildcards.sample], f"results/{wildcards.scale}"
    return {
        "diffusion": f"{root}/diffusions/{spec.train.id}/manifest.json",
        "backbone": f"{root}/backbones/{spec.train.backbone}/manifest.json",
    }


def edit_inputs(wildcards):
    """The diffusion model, its autoencoder, the guide, the faces and, where it scores, the small decoder."""
    spec, root = STUDY.edits[wildcards.edit], f"results/{wildcards.scale}"
    decoder = (
        {"decoder": f"{root}/decoders/{spec.decoder.id}/manifest.json"}
        if spec.decoder
        else {}
    )
    return {
        "diffusion": f"{root}/diffusions/{spec.train.id}/manifest.json",
        "backbone": f"{root}/backbones/{spec.train.backbone}/manifest.json",
        "guide": f"{root}/classifiers/{spec.guide.id}/manifest.json",
        "faces": f"{root}/faces/{spec.dataset}/ledger.csv",
        **decoder,
    }


def measure_inputs(wildcards):
    """An edit, its guide and the judge."""
    spec, root = STUDY.measures[wildcards.measure], f"results/{wildcards.scale}"
    return {
        "edit": f"{root}/edits/{spec.edit.id}/manifest.json",
        "guide": f"{root}/classifiers/{spec.edit.guide.id}/manifest.json",
        "judge": f"{root}/classifiers/{spec.judge.id}/manifest.json",
    }


def reconstruction_inputs(wildcards):
    """Faces, and the autoencoder."""
    spec = STUDY.reconstructions[wildcards.reconstruction]
    root = f"results/{wildcards.scale}"
    return {
        "faces": f"{root}/faces/{spec.dataset}/ledger.csv",
        "backbone": f"{root}/backbones/{spec.backbone}/manifest.json",
    }


def final_measures(diffusion):
    """Measures of a model's edits in the paper's final configuration, one a target (Figs. 6 and 7)."""
    cells = [cell for cell in STUDY.plans["smc_fig7"].cells if not cell.not_run]
    folders = {Path(path).parent.name: None for cell in cells for path in cell.inputs}
    measures = [STUDY.measures[name] for name in folders if name in STUDY.measures]
    return [m for m in measures if m.edit.train == diffusion]


def editor_inputs(wildcards):
    """A diffusion model, the guide of its final configuration, and what was measured of its edits."""
    spec, root = STUDY.diffusions[wildcards.diffusion], f"results/{wildcards.scale}"
    measures = final_measures(spec)
    return {
        "diffusion": f"{root}/diffusions/{spec.id}/manifest.json",
        "guide": f"{root}/classifiers/{measures[0].edit.guide.id}/manifest.json",
        "measures": [f"{root}/measures/{m.id}/manifest.json" for m in measures],
        "backbone": f"{root}/backbones/{spec.backbone}/manifest.json",
    }


def measures_arguments(wildcards, input):
    """The folders of measures for the command line."""
    return " ".join(f"--measures {Path(path).parent}" for path in input.measures)


def edits_stand_in_for(wildcards):
    """The dataset that a diffusion model's training data replace, for the command line."""
    return stands_in_for_argument(
        ["CelebA-HQ"] if SETTINGS.is_stand_in("celebahq") else []
    )


def decoder_argument(wildcards, input):
    """The small decoder's folder for the command line, where there is one."""
    return (
        f"--decoder {Path(input.decoder).parent}" if "decoder" in input.keys() else ""
    )
