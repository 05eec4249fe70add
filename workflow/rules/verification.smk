# Needs: aligned faces, synthetic faces, benchmarks.  Makes: face sets, face recognisers, their verification scores.
rule make_face_set:
    """Turn a split's faces to the 112 x 112 template, one set for recognisers of every kind."""
    input:
        faces=face_set_ledger,
    output:
        manifest="results/{scale}/face_sets/{face_set}/manifest.json",
    log:
        "results/{scale}/logs/face_sets/{face_set}.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        spec=asked_spec,
        code=code_of("faces.face_set_stage"),
        folder="results/{scale}/face_sets/{face_set}",
    shell:
        "facetory faces set --spec {params.spec:q} --faces {input.faces:q} --folder {params.folder:q} > {log:q} 2>&1"


rule train_face_recognizer:
    """Train a face recogniser by CosFace (AdaptDiff, FR training setup)."""
    input:
        unpack(face_recognizer_inputs),
    output:
        manifest="results/{scale}/face_recognizers/{face_recognizer}/manifest.json",
    log:
        "results/{scale}/logs/face_recognizers/{face_recognizer}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("recognition.face_train"),
        folder="results/{scale}/face_recognizers/{face_recognizer}",
        checkpoints="results/{scale}/checkpoints/{face_recognizer}",
        benchmarks=benchmark_arguments,
    shell:
        "facetory verification train --spec {params.spec:q} --faces {input.faces:q} --folder {params.folder:q} "
        "--checkpoints {params.checkpoints:q} {params.benchmarks} > {log:q} 2>&1"


rule make_benchmark:
    """Read a verification benchmark, or draw the pairs of one from a stand-in's people."""
    input:
        source=benchmark_source,
    output:
        manifest="results/{scale}/benchmarks/{benchmark}/manifest.json",
    log:
        "results/{scale}/logs/benchmarks/{benchmark}.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        spec=asked_spec,
        code=code_of("recognition.benchmark"),
        folder="results/{scale}/benchmarks/{benchmark}",
    shell:
        "facetory verification benchmark --spec {params.spec:q} --source {input.source:q} --folder {params.folder:q} "
        "> {log:q} 2>&1"


rule verify_faces:
    """Score a recogniser on a benchmark, 10-fold, or by templates (IJB-C)."""
    input:
        unpack(verification_inputs),
    output:
        manifest="results/{scale}/verifications/{verification}/manifest.json",
    log:
        "results/{scale}/logs/verifications/{verification}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("recognition.verify"),
        benchmark=folder_of("benchmark"),
        recogniser=recogniser_argument,
        folder="results/{scale}/verifications/{verification}",
        data_root=SETTINGS.config.data_root,
    shell:
        "facetory verification score --spec {params.spec:q} --benchmark {params.benchmark:q} {params.recogniser} "
        "--folder {params.folder:q} --data-root {params.data_root:q} > {log:q} 2>&1"
