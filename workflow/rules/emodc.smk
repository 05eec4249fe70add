# Needs: latents, prompts, a backbone.  Makes: EmoDC's runs (weights) and their evaluation records.
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
    return f"--stands-in-for '{' and '.join(sorted(replaced))}'" if replaced else ""


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


rule train_emodc:
    """Fine-tune the backbone under one loss (EmoDC, Section III-B)."""
    input:
        unpack(train_inputs),
    output:
        manifest="results/{scale}/runs/{run}/manifest.json",
    log:
        "results/{scale}/logs/train/{run}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("emodc.train"),
        folder="results/{scale}/runs/{run}",
        checkpoints="results/{scale}/checkpoints/{run}",
    shell:
        "facetory emodc train --spec {params.spec:q} --latents {input.latents:q} --text {input.text:q} "
        "--backbone {input.backbone:q} --folder {params.folder:q} --checkpoints {params.checkpoints:q} "
        "> {log:q} 2>&1"


rule evaluate_emodc:
    """Record the noise-prediction error of every (sample, timestep, class) (EmoDC, Eq. 8)."""
    input:
        unpack(evaluation_inputs),
    output:
        manifest="results/{scale}/evaluations/{evaluation}/manifest.json",
    log:
        "results/{scale}/logs/evaluate/{evaluation}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("emodc.evaluate"),
        folder="results/{scale}/evaluations/{evaluation}",
        run=run_argument,
        latents=latents_pattern,
    shell:
        "facetory emodc evaluate --spec {params.spec:q} {params.run} --latents {params.latents:q} "
        "--text {input.text:q} --backbone {input.backbone:q} --folder {params.folder:q} > {log:q} 2>&1"


rule generate_emodc:
    """Draw faces of every class from a run, at each guidance scale (EmoDC, Section IV-C8)."""
    input:
        unpack(generation_inputs),
    output:
        manifest="results/{scale}/generations/{generation}/manifest.json",
    log:
        "results/{scale}/logs/generate/{generation}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("emodc.generate"),
        folder="results/{scale}/generations/{generation}",
        run=run_argument,
    shell:
        "facetory emodc generate --spec {params.spec:q} {params.run} --text {input.text:q} "
        "--backbone {input.backbone:q} --folder {params.folder:q} > {log:q} 2>&1"


rule race_emodc:
    """Decide by sequential elimination and on the full grid, and compare agreement and cost."""
    input:
        unpack(race_inputs),
    output:
        manifest="results/{scale}/races/{race}/manifest.json",
    log:
        "results/{scale}/logs/races/{race}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("emodc.race_stage"),
        folder="results/{scale}/races/{race}",
        run=run_argument,
    shell:
        "facetory emodc race --spec {params.spec:q} {params.run} --latents {input.latents:q} "
        "--text {input.text:q} --backbone {input.backbone:q} --folder {params.folder:q} > {log:q} 2>&1"


rule time_emodc:
    """Time EmoDC and the comparators, alone on the machine (EmoDC, Table IX)."""
    input:
        unpack(timing_inputs),
    output:
        timing="results/{scale}/timings/{timing}/timing.json",
    log:
        "results/{scale}/logs/timings/{timing}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: all_the_cores
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("emodc.timing"),
        folder="results/{scale}/timings/{timing}",
        run=run_argument,
        classifiers=classifier_arguments,
    shell:
        "facetory emodc time --spec {params.spec:q} {params.run} {params.classifiers} --faces {input.faces:q} "
        "--text {input.text:q} --backbone {input.backbone:q} --folder {params.folder:q} > {log:q} 2>&1"


rule card_emodc:
    """Write the model card of a run beside its weights; that of a failed run gives the reason."""
    input:
        unpack(model_inputs),
    output:
        card="results/{scale}/runs/{run}/README.md",
    log:
        "results/{scale}/logs/cards/{run}.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        code=code_of("emodc.export"),
        run=run_argument,
        measured=measured_arguments,
        stands_in_for=stands_in_for,
    shell:
        "facetory emodc card {params.run} {params.measured} {params.stands_in_for} > {log:q} 2>&1"


rule export_emodc:
    """Write a run as a model that people can use: adapter, prompts, calibration, race and card."""
    input:
        unpack(model_inputs),
        card="results/{scale}/runs/{run}/README.md",
    output:
        model="results/{scale}/models/{run}/model.json",
    log:
        "results/{scale}/logs/models/{run}.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        code=code_of("emodc.export"),
        run=run_argument,
        measured=measured_arguments,
        folder="results/{scale}/models/{run}",
        stands_in_for=stands_in_for,
    shell:
        "facetory emodc export {params.run} {params.measured} --model {params.folder:q} {params.stands_in_for} > {log:q} 2>&1"


rule emodc_cards:
    """The model card of every run of EmoDC."""
    input:
        expand("results/{scale}/runs/{run}/README.md", scale=RESULTS, run=STUDY.runs),


rule emodc_models:
    """The runs that race, as models for `facetory predict`."""
    input:
        expand(
            "results/{scale}/models/{run}/model.json",
            scale=RESULTS,
            run=[race.train.id for race in STUDY.races.values()],
        ),
