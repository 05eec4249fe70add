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
