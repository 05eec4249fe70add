# What the rules of EmoDC's runs, evaluations and models read, and their arguments for the command line.
def text_and_backbone(spec, root):
    """Prompts of a spec's dataset, and its backbone."""
    return {
        "text": f"{root}/text/{spec.backbone}/{spec.dataset}.safetensors",
        "backbone": f"{root}/backbones/{spec.backbone}/manifest.json",
    }


def train_inputs(wildcards):
    """Latents, prompts and backbone of a run."""
    spec, root = STUDY.runs[wildcards.run], f"results/{wildcards.scale}"
    return {
        "latents": f"{root}/latents/{spec.backbone}/{spec.dataset}/{spec.px}/clean/train.safetensors",
        **text_and_backbone(spec, root),
    }


def evaluation_inputs(wildcards):
    """Latents, prompts, backbone and, unless it is the zero-shot model, the run."""
    spec, root = STUDY.evaluations[wildcards.evaluation], f"results/{wildcards.scale}"
    folder = f"{root}/latents/{spec.backbone}/{spec.dataset}/{spec.px}"
    inputs = {
        "latents": [f"{folder}/{c}/{spec.split}.safetensors" for c in spec.corruptions],
        **text_and_backbone(spec, root),
    }
    return (
        {**inputs, "run": f"{root}/runs/{spec.train.id}/manifest.json"}
        if spec.train
        else inputs
    )


def generation_inputs(wildcards):
    """The run that draws, its prompts and backbone."""
    spec, root = STUDY.generations[wildcards.generation], f"results/{wildcards.scale}"
    run = {"run": f"{root}/runs/{spec.train.id}/manifest.json"}
    return {**run, **text_and_backbone(spec, root)}


def timing_inputs(wildcards):
    """The run and the classifiers that are timed, faces for them, prompts and backbone."""
    spec, root = STUDY.timings[wildcards.timing], f"results/{wildcards.scale}"
    return {
        "run": f"{root}/runs/{spec.train.id}/manifest.json",
        "classifiers": [
            f"{root}/classifiers/{c.id}/manifest.json" for c in spec.classifiers
        ],
        "faces": f"{root}/faces/{spec.dataset}/ledger.csv",
        "text": f"{root}/text/{spec.train.backbone}/{spec.dataset}.safetensors",
        "backbone": f"{root}/backbones/{spec.train.backbone}/manifest.json",
    }


def race_inputs(wildcards):
    """The run that races, clean latents, prompts and backbone."""
    spec, root = STUDY.races[wildcards.race], f"results/{wildcards.scale}"
    folder = f"{root}/latents/{spec.backbone}/{spec.dataset}/{spec.px}/clean"
    return {
        "run": f"{root}/runs/{spec.train.id}/manifest.json",
        "latents": f"{folder}/{spec.split}.safetensors",
        **text_and_backbone(spec, root),
    }


def stands_in_for(wildcards):
    """The dataset that a run's training data replace, for the command line."""
    dataset = STUDY.runs[wildcards.run].dataset
    replaced = {
        cell.slot_title
        for plan in STUDY.plans.values()
        for cell in plan.cells
        if cell.stand_in and cell.dataset == dataset and cell.trained_slot == cell.slot
    }
    return stands_in_for_argument(sorted(replaced))


def model_inputs(wildcards):
    """A run, its evaluation on its own dataset, its race where there is one, and what it was made from."""
    spec, root = STUDY.runs[wildcards.run], f"results/{wildcards.scale}"
    evaluations = [
        f"{root}/evaluations/{name}/manifest.json"
        for name, e in STUDY.evaluations.items()
        if e.train == spec and e.dataset == spec.dataset and "clean" in e.corruptions
    ]
    races = [
        f"{root}/races/{name}/manifest.json"
        for name, race in STUDY.races.items()
        if race.train == spec
    ]
    return {
        "run": f"{root}/runs/{wildcards.run}/manifest.json",
        **({"evaluation": evaluations[0]} if evaluations else {}),
        **({"race": races[0]} if races else {}),
        "faces": f"{root}/faces/{spec.dataset}/manifest.json",
        "dataset": f"{root}/datasets/{spec.dataset}/manifest.json",
        **text_and_backbone(spec, root),
    }


def measured_arguments(wildcards, input):
    """The evaluation and the race of a run, for the command line."""
    given = [kind for kind in ("evaluation", "race") if kind in input.keys()]
    return " ".join(f"--{kind} {Path(input[kind]).parent}" for kind in given)


def classifier_arguments(wildcards, input):
    """The folders of the classifiers that are timed, for the command line."""
    return " ".join(
        f"--classifier {Path(path).parent}" for path in input.get("classifiers", [])
    )


def run_argument(wildcards, input):
    """The run's folder for the command line; nothing for the zero-shot model."""
    return f"--run {Path(input.run).parent}" if "run" in input.keys() else ""
