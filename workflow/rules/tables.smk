# Needs: records.  Makes: cells, tables, figures, and a target for each of them.
rule make_table:
    """Measure a table's cells from the records and write them beside the published ones."""
    input:
        records=plan_inputs,
    output:
        cells="results/{scale}/tables/{table}.cells.json",
        csv="results/{scale}/tables/{table}.csv",
        tex="results/{scale}/tables/{table}.tex",
        html=report(
            "results/{scale}/tables/{table}.html",
            caption="../report/table.rst",
            category=paper_title,
            subcategory="Tables",
            labels={"table": "{table}"},
        ),
    log:
        "results/{scale}/logs/tables/{table}.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        plan=plan_digest,
        code=table_code,
        config=CONFIG,
        root="results/{scale}",
    shell:
        "facetory table make {wildcards.table} --settings {params.config:q} --root {params.root:q} > {log:q} 2>&1"


rule make_figure:
    """Draw a figure in the paper's arrangement from the records."""
    input:
        records=plan_inputs,
    output:
        png=report(
            "results/{scale}/figures/{figure}.png",
            caption="../report/figure.rst",
            category=paper_title,
            subcategory="Figures",
            labels={"figure": "{figure}"},
        ),
        pdf="results/{scale}/figures/{figure}.pdf",
        csv="results/{scale}/figures/{figure}.csv",
        cells="results/{scale}/figures/{figure}.cells.json",
    log:
        "results/{scale}/logs/figures/{figure}.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        plan=plan_digest,
        code=figure_code,
        config=CONFIG,
        root="results/{scale}",
    shell:
        "facetory table figure {wildcards.figure} --settings {params.config:q} --root {params.root:q} "
        "> {log:q} 2>&1"


for target in STUDY.plans:

    rule:
        name:
            target
        input:
            table_files([target] if target in TABLES else []),
            figure_files([target] if target in FIGURES else []),

    workflow.get_rule(target).docstring = (
        f"{STUDY.plans[target].source}: {STUDY.plans[target].title}."
    )
