# Needs: aligned faces and a backbone's weights.  Makes: VAE latents of every split, prompt embeddings.
rule place_backbone:
    """Check a backbone's weights against their hashes and record where they lie."""
    output:
        manifest="results/{scale}/backbones/{backbone}/manifest.json",
    log:
        "results/{scale}/logs/backbones/{backbone}.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        spec=backbone_spec,
        code=code_of("diffusion.place"),
        data_root=SETTINGS.config.data_root,
    shell:
        "facetory backbone place --spec {params.spec:q} --data-root {params.data_root:q} "
        "--manifest {output.manifest:q} > {log:q} 2>&1"


rule pack_renders:
    """Pack the label-free renders, their captions and the captions' tokens into one file."""
    input:
        faces="results/{scale}/faces/anny_pretrain/ledger.csv",
    output:
        packed="results/{scale}/pretraining/packed.safetensors",
    log:
        "results/{scale}/logs/pretraining/pack.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        code=code_of("diffusion.pack"),
        px=STUDY.backbones["demo"].px,
    shell:
        "facetory backbone pack --faces {input.faces:q} --output {output.packed:q} --px {params.px} > {log:q} 2>&1"


rule pretrain_released:
    """Pretrain a released model of the demo, autoencoder and UNet, on renders without expression words."""
    input:
        packed="results/{scale}/pretraining/packed.safetensors",
    output:
        manifest="results/{scale}/pretraining/{released}/manifest.json",
    log:
        "results/{scale}/logs/pretraining/{released}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: 8
    resources:
        gpu=int(SETTINGS.device == "cuda"),
    params:
        options=pretraining_options,
        code=code_of("diffusion.pretrain"),
        folder="results/{scale}/pretraining/{released}",
        checkpoints="results/{scale}/checkpoints/{released}",
        device=SETTINGS.device,
    shell:
        "facetory backbone pretrain --packed {input.packed:q} --folder {params.folder:q} "
        "--checkpoints {params.checkpoints:q} {params.options} --device {params.device} --threads {threads} "
        "> {log:q} 2>&1"


rule demo_backbone:
    """Train the demo's backbone again, from renders to a snapshot folder (pretraining/demo-backbone)."""
    input:
        f"results/{RESULTS}/pretraining/demo-backbone/manifest.json",


rule demo_faces:
    """Train SMC's small autoencoder and unconditional UNet again (pretraining/demo-faces)."""
    input:
        f"results/{RESULTS}/pretraining/demo-faces/manifest.json",


rule embed_prompts:
    """Embed the class prompts, the non-class prompt and the null prompt of a dataset's classes."""
    input:
        manifest="results/{scale}/backbones/{backbone}/manifest.json",
        dataset="results/{scale}/datasets/{dataset}/manifest.json",
    output:
        tokens="results/{scale}/text/{backbone}/{dataset}.safetensors",
    log:
        "results/{scale}/logs/text/{backbone}/{dataset}.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        code=code_of("diffusion.text", "emodc.prompts"),
    shell:
        "facetory emodc prompts --backbone {input.manifest:q} --dataset {input.dataset:q} "
        "--output {output.tokens:q} > {log:q} 2>&1"


rule encode_latents:
    """Encode the faces of one split into VAE posterior means and log-variances; clean ones mirrored too."""
    input:
        faces=faces_ledger,
        backbone="results/{scale}/backbones/{encoder}/manifest.json",
    output:
        latents="results/{scale}/latents/{encoder}/{dataset}/{px}/{corruption}/{split}.safetensors",
    log:
        "results/{scale}/logs/latents/{encoder}/{dataset}/{px}/{corruption}/{split}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: SETTINGS.scale.threads
    resources:
        gpu=int(SETTINGS.device == "cuda"),
    params:
        code=code_of("diffusion.encode"),
        device=SETTINGS.device,
    shell:
        "facetory latents encode --faces {input.faces:q} --backbone {input.backbone:q} --split {wildcards.split} "
        "--px {wildcards.px} --device {params.device} --threads {threads} --corruption {wildcards.corruption} "
        "--output {output.latents:q} "
        "> {log:q} 2>&1"


if not CORRUPT_FIRST:

    rule encode_corrupted:
        """Corrupt the faces of one split as Tables VI and VII of EmoDC do, each way, and encode them."""
        input:
            faces="results/{scale}/faces/{dataset}/ledger.csv",
            backbone="results/{scale}/backbones/{encoder}/manifest.json",
        output:
            expand(
                "results/{scale}/latents/{encoder}/{dataset}/{px}/{corruption}/{split}.safetensors",
                corruption=CORRUPTIONS,
                allow_missing=True,
            ),
        log:
            "results/{scale}/logs/latents/{encoder}/{dataset}/{px}/corrupted/{split}.log",
        conda:
            "../../envs/facetory.yaml"
        threads: SETTINGS.scale.threads
        resources:
            gpu=int(SETTINGS.device == "cuda"),
        params:
            code=code_of("diffusion.encode"),
            device=SETTINGS.device,
            output=latents_pattern,
            corruptions=" ".join(f"--corruption {name}" for name in CORRUPTIONS),
            limit=images_per_class,
        shell:
            "facetory latents encode --faces {input.faces:q} --backbone {input.backbone:q} --split {wildcards.split} "
            "--px {wildcards.px} --device {params.device} --threads {threads} {params.corruptions} {params.limit} "
            "--output {params.output:q} > {log:q} 2>&1"
