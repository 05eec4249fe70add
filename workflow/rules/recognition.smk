# Needs: aligned faces or latents.  Makes: discriminative classifiers (weights) and their evaluation records.
rule train_classifier:
    """Train a discriminative classifier, or check its authors' checkpoint key by key."""
    input:
        unpack(classifier_inputs),
    output:
        manifest="results/{scale}/classifiers/{classifier}/manifest.json",
    log:
        "results/{scale}/logs/classifiers/{classifier}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("recognition.train"),
        folder="results/{scale}/classifiers/{classifier}",
        checkpoints="results/{scale}/checkpoints/{classifier}",
        view=view_argument,
        weights=weights_argument,
    shell:
        "facetory classifier train --spec {params.spec:q} {params.view} {params.weights} "
        "--folder {params.folder:q} --checkpoints {params.checkpoints:q} > {log:q} 2>&1"


rule evaluate_classifier:
    """Record the score of every (sample, class) by a discriminative classifier, clean and corrupted."""
    input:
        unpack(classification_inputs),
    output:
        manifest="results/{scale}/evaluations/{classification}/manifest.json",
    log:
        "results/{scale}/logs/evaluate/{classification}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("recognition.evaluate"),
        folder="results/{scale}/evaluations/{classification}",
        view=view_argument,
        classifier=classifier_folder,
    shell:
        "facetory classifier evaluate --spec {params.spec:q} --classifier {params.classifier:q} {params.view} "
        "--folder {params.folder:q} > {log:q} 2>&1"
