# Needs: aligned faces and a backbone's weights.  Makes: VAE latents of every split, prompt embeddings.
rule place_backbone:
    """Check a backbone's weights against their hashes and record where they lie."""
    output:
        manifest="results/{scale}/backbones/{backbone}/manifest.json",
    log:
        "results/{scale}/logs/backbones/{backbone}.log",
    params:
        spec=backbone_spec,
        code=code_of("diffusion.place"),
        data_root=SETTINGS.config.data_root,
    conda:
        "../../envs/facetory.yaml"
    shell:
        "facetory backbone place --spec {params.spec:q} --data-root {params.data_root:q} "
        "--manifest {output.manifest:q} > {log:q} 2>&1"


rule embed_prompts:
    """Embed the class prompts, the non-class prompt and the null prompt of a dataset's classes."""
    input:
        manifest="results/{scale}/backbones/{backbone}/manifest.json",
        dataset="results/{scale}/datasets/{dataset}/manifest.json",
    output:
        tokens="results/{scale}/text/{backbone}/{dataset}.safetensors",
    log:
        "results/{scale}/logs/text/{backbone}/{dataset}.log",
    params:
        code=code_of("diffusion.text", "emodc.prompts"),
    conda:
        "../../envs/facetory.yaml"
    shell:
        "facetory emodc prompts --backbone {input.manifest:q} --dataset {input.dataset:q} "
        "--output {output.tokens:q} > {log:q} 2>&1"


rule encode_latents:
    """Encode the faces of one split, and their mirror images, into VAE posterior means and log-variances."""
    input:
        faces="results/{scale}/faces/{dataset}/ledger.csv",
        backbone="results/{scale}/backbones/{encoder}/manifest.json",
    output:
        latents="results/{scale}/latents/{encoder}/{dataset}/{px}/{corruption}/{split}.safetensors",
    log:
        "results/{scale}/logs/latents/{encoder}/{dataset}/{px}/{corruption}/{split}.log",
    params:
        code=code_of("diffusion.latents"),
        device=SETTINGS.device,
    threads: SETTINGS.scale.threads
    resources:
        gpu=int(SETTINGS.device == "cuda"),
    conda:
        "../../envs/facetory.yaml"
    shell:
        "facetory latents encode --faces {input.faces:q} --backbone {input.backbone:q} --split {wildcards.split} "
        "--px {wildcards.px} --device {params.device} --threads {threads} --output {output.latents:q} "
        "> {log:q} 2>&1"
