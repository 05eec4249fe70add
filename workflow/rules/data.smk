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


rule fetch_fer2013plus:
    """Download FER2013Plus's votes, checked by hash, to where its loader looks; the pixels are yours to place."""
    output:
        votes=SETTINGS.config.data_root / "fer2013" / "fer2013new.csv",
    log:
        f"results/{RESULTS}/logs/data/fetch_fer2013plus.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        data_root=SETTINGS.config.data_root,
    shell:
        "facetory data fetch fer2013plus --data-root {params.data_root:q} > {log:q} 2>&1"
