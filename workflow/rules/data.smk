# Needs: datasets placed under data_root, or the embedded renders.  Makes: one index per dataset.
rule index_dataset:
    """Index a dataset: read and check its labels, or render it when it is one of the embedded sets."""
    output:
        index="results/{scale}/datasets/{dataset}/index.csv",
        ledger="results/{scale}/datasets/{dataset}/ledger.csv",
        manifest="results/{scale}/datasets/{dataset}/manifest.json",
    log:
        "results/{scale}/logs/index/{dataset}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: half_the_cores
    params:
        spec=dataset_spec,
        code=dataset_code,
        folder="results/{scale}/datasets/{dataset}",
        data_root=SETTINGS.config.data_root,
    shell:
        "facetory data index --spec {params.spec:q} --folder {params.folder:q} "
        "--data-root {params.data_root:q} --processes {threads} > {log:q} 2>&1"
