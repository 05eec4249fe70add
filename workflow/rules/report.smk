# Needs: all tables and figures.  Makes: plans, audit, claims, the report that a reviewer opens, bundles of it all.
rule plans:
    """What every cell asks for, beside the results: explain, verify and the report read it."""
    output:
        "results/{scale}/plans.json",
    log:
        "results/{scale}/logs/plans.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        plans=plans_digest,
        code=code_of("report.plans"),
        config=CONFIG,
        root="results/{scale}",
    shell:
        "facetory table plans --settings {params.config:q} --root {params.root:q} > {log:q} 2>&1"


rule audit_papers:
    """Check the papers' own numbers against each other: granularity, averages, deltas, repeats."""
    output:
        "results/{scale}/audit.json",
    log:
        "results/{scale}/logs/audit.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        published=papers_digest,
        code=code_of("cli.audit"),
    shell:
        "facetory audit --out {output:q} > {log:q} 2>&1"


rule judge_claims:
    """Judge each headline claim on the published and on the regenerated cells."""
    input:
        cells=made_cells,
        plans=rules.plans.output,
    output:
        "results/{scale}/claims.json",
    log:
        "results/{scale}/logs/claims.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        claims=papers_digest,
        code=code_of("cli.claims", *(f"{paper}.paired" for paper in PAPERS)),
        root=results_folder,
    shell:
        "facetory claims {params.root:q} --out {output:q} > {log:q} 2>&1"


rule make_report:
    """The page that answers whether the papers reproduced: one file, offline, with every cell's origin."""
    input:
        cells=made_cells,
        figures=figure_files(FIGURES),
        plans=rules.plans.output,
        audit=rules.audit_papers.output,
        claims=rules.judge_claims.output,
    output:
        "results/{scale}/report/index.html",
    log:
        "results/{scale}/logs/report.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        code=code_of("cli.report"),
        page=page_digest,
        root=results_folder,
    shell:
        "facetory report {params.root:q} > {log:q} 2>&1"


rule claims:
    """The ledger of the papers' claims."""
    input:
        f"results/{RESULTS}/claims.json",


rule report:
    """The report, results/<scale>/report/index.html."""
    input:
        f"results/{RESULTS}/report/index.html",


rule archive:
    """Records, manifests and tables with checksums, to hand to a reviewer; no picture of a face."""
    input:
        f"results/{RESULTS}/report/index.html",
    output:
        f"results/{RESULTS}/archive.zip",
    log:
        f"results/{RESULTS}/logs/archive.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        root=results_folder,
    shell:
        "facetory archive {params.root:q} --out {output:q} > {log:q} 2>&1"


rule verify:
    """Rebuild every table from the records and compare byte for byte."""
    input:
        f"results/{RESULTS}/report/index.html",
    log:
        f"results/{RESULTS}/logs/verify.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        root=results_folder,
    shell:
        "facetory verify {params.root:q} 2>&1 | tee {log:q}"


rule snakemake_report:
    """Snakemake's own report of all tables and figures, with captions, as results/<scale>/report.zip."""
    input:
        table_files(TABLES),
        figure_files(FIGURES),
    output:
        f"results/{RESULTS}/report.zip",
    log:
        f"results/{RESULTS}/logs/snakemake_report.log",
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
