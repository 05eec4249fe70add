# Needs: latents, prompts, a backbone.  Makes: EmoDC's runs (weights) and their evaluation records.
def train_inputs(wildcards):
    """Latents, prompts and backbone of a run."""
    spec, root = STUDY.runs[wildcards.run], f"results/{wildcards.scale}"
    return {
        "latents": f"{root}/latents/{spec.backbone}/{spec.dataset}/{spec.px}/clean/train.safetensors",
        "text": f"{root}/text/{spec.backbone}/{spec.dataset}.safetensors",
        "backbone": f"{root}/backbones/{spec.backbone}/manifest.json",
    }


def evaluation_inputs(wildcards):
    """Latents, prompts, backbone and, unless it is the zero-shot model, the run."""
    spec, root = STUDY.evaluations[wildcards.evaluation], f"results/{wildcards.scale}"
    folder = (
        f"{root}/latents/{spec.backbone}/{spec.dataset}/{spec.px}/{spec.corruption}"
    )
    inputs = {
        "latents": f"{folder}/{spec.split}.safetensors",
        "text": f"{root}/text/{spec.backbone}/{spec.dataset}.safetensors",
        "backbone": f"{root}/backbones/{spec.backbone}/manifest.json",
    }
    return (
        {**inputs, "run": f"{root}/runs/{spec.train.id}/manifest.json"}
        if spec.train
        else inputs
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
    threads: run_threads
    resources:
        gpu=run_gpus,
    params:
        spec=run_spec,
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
    threads: evaluation_threads
    resources:
        gpu=evaluation_gpus,
    params:
        spec=evaluation_spec,
        code=code_of("emodc.evaluate"),
        folder="results/{scale}/evaluations/{evaluation}",
        run=run_argument,
    shell:
        "facetory emodc evaluate --spec {params.spec:q} {params.run} --latents {input.latents:q} "
        "--text {input.text:q} --backbone {input.backbone:q} --folder {params.folder:q} > {log:q} 2>&1"
