# Needs: aligned faces, their latents.  Makes: how hard each dataset is for a linear probe and a small CNN.
rule probe_dataset:
    """Train a linear probe and a small CNN on a dataset's faces and on their latents."""
    input:
        unpack(probe_inputs),
    output:
        "results/{scale}/probes/{dataset}.json",
    log:
        "results/{scale}/logs/probes/{dataset}.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        code=code_of("recognition.probes"),
        px=probe_px,
    shell:
        "facetory probe run --faces {input.faces:q} --train {input.train:q} --test {input.test:q} "
        "--px {params.px} --output {output:q} > {log:q} 2>&1"


rule demo_probes:
    """How hard each dataset that fills a slot is for a linear probe and a small CNN, on pixels and latents."""
    input:
        expand("results/{scale}/probes/{dataset}.json", scale=RESULTS, dataset=PROBED),
    log:
        f"results/{RESULTS}/logs/probes/table.log",
    conda:
        "../../envs/facetory.yaml"
    shell:
        "facetory probe show {input:q} 2> {log:q}"
