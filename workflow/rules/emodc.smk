# Needs: latents, prompts, a backbone.  Makes: EmoDC's runs (weights) and their evaluation records.
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
