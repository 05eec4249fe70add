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
