# Needs: face sets, latents, a first stage.  Makes: contexts, the generator, identities, synthetic faces, their scores.
rule embed_contexts:
    """Embed the identity contexts that a generator learns under (IDiff-Face)."""
    input:
        faces=context_faces,
    output:
        manifest="results/{scale}/contexts/{context}/manifest.json",
    log:
        "results/{scale}/logs/contexts/{context}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("adaptdiff.contexts"),
        folder="results/{scale}/contexts/{context}",
        data_root=SETTINGS.config.data_root,
    shell:
        "facetory adaptdiff contexts --spec {params.spec:q} --faces {input.faces:q} --folder {params.folder:q} "
        "--data-root {params.data_root:q} > {log:q} 2>&1"


rule train_generator:
    """Train the identity-conditioned latent diffusion model, or take its authors' weights over."""
    input:
        unpack(generator_inputs),
    output:
        manifest="results/{scale}/generators/{generator}/manifest.json",
    log:
        "results/{scale}/logs/generators/{generator}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("adaptdiff.train"),
        folder="results/{scale}/generators/{generator}",
        checkpoints="results/{scale}/checkpoints/{generator}",
        data=generator_arguments,
    shell:
        "facetory adaptdiff train --spec {params.spec:q} {params.data} --folder {params.folder:q} "
        "--checkpoints {params.checkpoints:q} > {log:q} 2>&1"


rule draw_identities:
    """Draw identities uniformly on the sphere, and find each one's negative partners."""
    output:
        manifest="results/{scale}/pools/{pool}/manifest.json",
    log:
        "results/{scale}/logs/pools/{pool}.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        spec=asked_spec,
        code=code_of("adaptdiff.identities"),
        folder="results/{scale}/pools/{pool}",
    shell:
        "facetory adaptdiff identities --spec {params.spec:q} --folder {params.folder:q} > {log:q} 2>&1"


rule synthesise:
    """Draw one shard of a synthetic set under negative guidance (AdaptDiff, Method)."""
    input:
        unpack(synthesis_inputs),
    output:
        manifest="results/{scale}/syntheses/{synthesis}/shards/{shard}of{shards}/manifest.json",
    log:
        "results/{scale}/logs/syntheses/{synthesis}/{shard}of{shards}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("adaptdiff.synthesis"),
        generator=folder_of("generator"),
        identities=identities_file,
        folder="results/{scale}/syntheses/{synthesis}/shards/{shard}of{shards}",
    shell:
        "facetory adaptdiff synthesise --spec {params.spec:q} --generator {params.generator:q} "
        "--identities {params.identities:q} --backbone {input.backbone:q} --folder {params.folder:q} "
        "--shard {wildcards.shard}/{wildcards.shards} > {log:q} 2>&1"


rule gather_synthesis:
    """Gather a synthetic set: the first complete identities, with a contact sheet."""
    input:
        shards=shard_manifests,
    output:
        manifest="results/{scale}/syntheses/{synthesis}/manifest.json",
    log:
        "results/{scale}/logs/syntheses/{synthesis}.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        spec=asked_spec,
        code=code_of("adaptdiff.gather"),
        shards=shard_arguments,
        folder="results/{scale}/syntheses/{synthesis}",
    shell:
        "facetory adaptdiff gather --spec {params.spec:q} {params.shards} --folder {params.folder:q} > {log:q} 2>&1"


rule audit_leakage:
    """Find the nearest training person of each synthetic identity."""
    input:
        unpack(audit_inputs),
    output:
        manifest="results/{scale}/audits/{audit}/manifest.json",
    log:
        "results/{scale}/logs/audits/{audit}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("adaptdiff.audit"),
        contexts=contexts_file,
        folder="results/{scale}/audits/{audit}",
        data_root=SETTINGS.config.data_root,
    shell:
        "facetory adaptdiff audit --spec {params.spec:q} --faces {input.faces:q} --contexts {params.contexts:q} "
        "--folder {params.folder:q} --data-root {params.data_root:q} > {log:q} 2>&1"


rule measure_separability:
    """Record genuine and impostor scores of a face set by an independent judge (AdaptDiff, Table 3)."""
    input:
        faces=judged_faces,
    output:
        manifest="results/{scale}/separations/{separation}/manifest.json",
    log:
        "results/{scale}/logs/separations/{separation}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("adaptdiff.separability"),
        folder="results/{scale}/separations/{separation}",
        data_root=SETTINGS.config.data_root,
    shell:
        "facetory adaptdiff separability --spec {params.spec:q} --faces {input.faces:q} --folder {params.folder:q} "
        "--data-root {params.data_root:q} > {log:q} 2>&1"


rule export_generator:
    """Write a generator of identities as a model that people can use, with its card."""
    input:
        unpack(identity_model_inputs),
    output:
        model="results/{scale}/identity_models/{generator}/model.json",
    log:
        "results/{scale}/logs/identity_models/{generator}.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        code=code_of("adaptdiff.export"),
        generator=folder_of("generator"),
        identities=identities_file,
        folder="results/{scale}/identity_models/{generator}",
        stands_in_for=generator_stands_in,
    shell:
        "facetory adaptdiff export --generator {params.generator:q} --identities {params.identities:q} "
        "--backbone {input.backbone:q} --separation {input.separation:q} --model {params.folder:q} "
        "--sampler ddim --steps 50 {params.stands_in_for} > {log:q} 2>&1"


rule adaptdiff_models:
    """AdaptDiff's generators of identities, for `facetory faces`."""
    input:
        expand(
            "results/{scale}/identity_models/{generator}/model.json",
            scale=RESULTS,
            generator=sorted(EXPORTED),
        ),


rule pretrain_identity:
    """Pretrain the demo's two identity networks and its identity-conditioned generator on renders."""
    input:
        packed="results/{scale}/pretraining/packed.safetensors",
    output:
        manifest="results/{scale}/pretraining/demo-identity/manifest.json",
    log:
        "results/{scale}/logs/pretraining/demo-identity.log",
    conda:
        "../../envs/facetory.yaml"
    resources:
        gpu=int(SETTINGS.device == "cuda"),
    params:
        code=code_of("adaptdiff.pretrain"),
        folder="results/{scale}/pretraining/demo-identity",
        checkpoints="results/{scale}/checkpoints/demo-identity",
        device=SETTINGS.device,
    shell:
        "facetory identity pretrain --packed {input.packed:q} --folder {params.folder:q} "
        "--checkpoints {params.checkpoints:q} --device {params.device} > {log:q} 2>&1"


rule demo_identity:
    """Train the demo's identity networks and generator again (pretraining/demo-identity)."""
    input:
        f"results/{RESULTS}/pretraining/demo-identity/manifest.json",
