# Needs: CMU-MOSEI's .csd files, or nothing.  Makes: aligned segments, trained models, scores, counterfactuals.
rule index_corpus:
    """Check the .csd files of a placed corpus and record their hashes, or write a synthetic one."""
    output:
        manifest="results/{scale}/corpora/{corpus}/manifest.json",
    log:
        "results/{scale}/logs/corpora/{corpus}.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        spec=asked_spec,
        code=code_of("data.mosei.stage"),
        folder="results/{scale}/corpora/{corpus}",
        data_root=SETTINGS.config.data_root,
    shell:
        "facetory affectdiff corpus --spec {params.spec:q} --folder {params.folder:q} "
        "--data-root {params.data_root:q} > {log:q} 2>&1"


rule extract_features:
    """Extract features by a frozen foundation model."""
    input:
        corpus=corpus_manifest,
    output:
        features="results/{scale}/extractions/{extraction}/features.csd",
        manifest="results/{scale}/extractions/{extraction}/manifest.json",
    log:
        "results/{scale}/logs/extractions/{extraction}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("data.mosei.extract"),
        folder="results/{scale}/extractions/{extraction}",
        data_root=SETTINGS.config.data_root,
    shell:
        "facetory affectdiff extract --spec {params.spec:q} --corpus {input.corpus:q} --folder {params.folder:q} "
        "--data-root {params.data_root:q} > {log:q} 2>&1"


rule align_corpus:
    """Align a corpus to words and segments (Affect-Diff, Section II-C)."""
    input:
        unpack(alignment_inputs),
    output:
        segments="results/{scale}/alignments/{alignment}/segments.safetensors",
        ledger="results/{scale}/alignments/{alignment}/ledger.csv",
        manifest="results/{scale}/alignments/{alignment}/manifest.json",
    log:
        "results/{scale}/logs/alignments/{alignment}.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        spec=asked_spec,
        code=code_of("data.mosei.stage"),
        folder="results/{scale}/alignments/{alignment}",
        extractions=extraction_arguments,
    shell:
        "facetory affectdiff align --spec {params.spec:q} --corpus {input.corpus:q} {params.extractions} "
        "--folder {params.folder:q} > {log:q} 2>&1"


rule train_recognizer:
    """Train Affect-Diff or a baseline (Affect-Diff, Section IV)."""
    input:
        alignment=recognizer_inputs,
    output:
        manifest="results/{scale}/recognizers/{recognizer}/manifest.json",
    log:
        "results/{scale}/logs/recognizers/{recognizer}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("affectdiff.train"),
        folder="results/{scale}/recognizers/{recognizer}",
        checkpoints="results/{scale}/checkpoints/{recognizer}",
        segments=segments_argument,
    shell:
        "facetory affectdiff train --spec {params.spec:q} --segments {params.segments:q} --folder {params.folder:q} "
        "--checkpoints {params.checkpoints:q} > {log:q} 2>&1"


rule score_recognizer:
    """Record what a run says of the validation and test segments, clean and corrupted (Table V)."""
    input:
        unpack(asked_of_run),
    output:
        manifest="results/{scale}/scores/{score}/manifest.json",
    log:
        "results/{scale}/logs/scores/{score}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("affectdiff.score"),
        recognizer=recognizer_folder,
        folder="results/{scale}/scores/{score}",
        segments=segments_argument,
    shell:
        "facetory affectdiff score --spec {params.spec:q} --recognizer {params.recognizer:q} "
        "--segments {params.segments:q} --folder {params.folder:q} > {log:q} 2>&1"


rule time_recognizers:
    """Time a forward pass of Table VI's models, alone on the machine."""
    input:
        recognizers=latency_inputs,
    output:
        manifest="results/{scale}/latencies/{latency}/manifest.json",
    log:
        "results/{scale}/logs/latencies/{latency}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: all_the_cores
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("affectdiff.latency"),
        recognizers=recognizer_arguments,
        folder="results/{scale}/latencies/{latency}",
    shell:
        "facetory affectdiff latency --spec {params.spec:q} {params.recognizers} --folder {params.folder:q} "
        "> {log:q} 2>&1"


rule counterfact:
    """Ask of test segments: what if the label, or one modality, had been another."""
    input:
        unpack(asked_of_run),
    output:
        manifest="results/{scale}/counterfactuals/{counterfactual}/manifest.json",
    log:
        "results/{scale}/logs/counterfactuals/{counterfactual}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("affectdiff.counterfactual_stage"),
        recognizer=recognizer_folder,
        folder="results/{scale}/counterfactuals/{counterfactual}",
        segments=segments_argument,
    shell:
        "facetory affectdiff counterfact --spec {params.spec:q} --recognizer {params.recognizer:q} "
        "--segments {params.segments:q} --folder {params.folder:q} > {log:q} 2>&1"


rule export_recognizer:
    """Write a trained model as a folder for `facetory affect`, with its card."""
    input:
        unpack(affect_model_inputs),
    output:
        model="results/{scale}/affect_models/{recognizer}/model.json",
    log:
        "results/{scale}/logs/affect_models/{recognizer}.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        code=code_of("affectdiff.export"),
        recognizer=recognizer_folder,
        scores=scores_argument,
        folder="results/{scale}/affect_models/{recognizer}",
        stands_in_for=mosei_stands_in,
    shell:
        "facetory affectdiff export --recognizer {params.recognizer:q} {params.scores} --model {params.folder:q} "
        "{params.stands_in_for} > {log:q} 2>&1"


rule affectdiff_models:
    """Affect-Diff for emotions and for sentiment, for `facetory affect`."""
    input:
        expand(
            "results/{scale}/affect_models/{recognizer}/model.json",
            scale=RESULTS,
            recognizer=sorted(USED),
        ),
