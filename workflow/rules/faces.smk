# Needs: an index.  Makes: aligned faces, the ledger of detections, a contact sheet.
rule align_faces:
    """Detect, crop and resize every face of a dataset by MTCNN; a face not found is kept whole and flagged."""
    input:
        index="results/{scale}/datasets/{dataset}/index.csv",
    output:
        ledger="results/{scale}/faces/{dataset}/ledger.csv",
        sheet=report(
            "results/{scale}/faces/{dataset}/contact_sheet.png",
            caption="../report/faces.rst",
            category="Data",
            subcategory="Aligned faces",
            labels={"dataset": "{dataset}"},
        ),
        manifest="results/{scale}/faces/{dataset}/manifest.json",
    log:
        "results/{scale}/logs/faces/{dataset}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: half_the_cores
    params:
        spec=faces_spec,
        code=code_of("faces.align"),
        folder="results/{scale}/faces/{dataset}",
    shell:
        "facetory faces align --index {input.index:q} --spec {params.spec:q} --folder {params.folder:q} "
        "--processes {threads} > {log:q} 2>&1"


rule align_corrupted:
    """Corrupt the pictures of a dataset first, then find and crop the faces in what is left."""
    input:
        index="results/{scale}/datasets/{dataset}/index.csv",
    output:
        ledger="results/{scale}/corrupted/{corrupted}/{dataset}/ledger.csv",
    log:
        "results/{scale}/logs/faces/{dataset}.{corrupted}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: half_the_cores
    params:
        spec=faces_spec,
        code=code_of("faces.align", "faces.corrupt"),
        folder="results/{scale}/corrupted/{corrupted}/{dataset}",
        limit=images_per_class,
    shell:
        "facetory faces align --index {input.index:q} --spec {params.spec:q} --folder {params.folder:q} "
        "--corruption {wildcards.corrupted} {params.limit} --processes {threads} > {log:q} 2>&1"
