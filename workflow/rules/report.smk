# Needs: all tables and figures.  Makes: Snakemake's own report, one archive to hand to a reviewer.
rule report:
    """Snakemake's report of all tables and figures, with captions, as results/<scale>/report.zip."""
    input:
        rules.all.input,
    output:
        f"results/{RESULTS}/report.zip",
    log:
        f"results/{RESULTS}/logs/report.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        config=[
            f"{key}={value}"
            for key, value in config.items()
            if isinstance(value, (str, bool))
        ],
    shell:
        "snakemake all_tables all_figures --nolock --report {output:q} --config {params.config:q} > {log:q} 2>&1"
