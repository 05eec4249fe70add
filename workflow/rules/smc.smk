# Needs: latents, aligned faces, classifiers, an autoencoder.  Makes: the diffusion model, edits and their measures.
rule train_smc:
    """Train the unconditional latent diffusion model (SMC, Sections 2.3 and 3.1)."""
    input:
        latents=diffusion_inputs,
        initial=initial_weights,
    output:
        manifest="results/{scale}/diffusions/{diffusion}/manifest.json",
    log:
        "results/{scale}/logs/diffusions/{diffusion}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("smc.train"),
        folder="results/{scale}/diffusions/{diffusion}",
        checkpoints="results/{scale}/checkpoints/{diffusion}",
        latents=latents_arguments,
    shell:
        "facetory smc train --spec {params.spec:q} {params.latents} --folder {params.folder:q} "
        "--checkpoints {params.checkpoints:q} > {log:q} 2>&1"


rule distil_decoder:
    """Distil a small decoder from the autoencoder's, to score with (an approximate saving)."""
    input:
        unpack(decoder_inputs),
    output:
        manifest="results/{scale}/decoders/{decoder}/manifest.json",
    log:
        "results/{scale}/logs/decoders/{decoder}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("smc.small_decoder"),
        folder="results/{scale}/decoders/{decoder}",
        checkpoints="results/{scale}/checkpoints/{decoder}",
    shell:
        "facetory smc distil --spec {params.spec:q} --latents {input.latents:q} --backbone {input.backbone:q} "
        "--folder {params.folder:q} --checkpoints {params.checkpoints:q} > {log:q} 2>&1"


rule sample_smc:
    """Draw faces from pure noise (SMC, Fig. 4)."""
    input:
        unpack(sample_inputs),
    output:
        manifest="results/{scale}/samples/{sample}/manifest.json",
    log:
        "results/{scale}/logs/samples/{sample}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("smc.sample"),
        diffusion=diffusion_folder,
        folder="results/{scale}/samples/{sample}",
    shell:
        "facetory smc sample --spec {params.spec:q} --diffusion {params.diffusion:q} --backbone {input.backbone:q} "
        "--folder {params.folder:q} > {log:q} 2>&1"


rule edit_smc:
    """Edit faces towards one expression (SMC, Algorithm 1 and the samplers beside it)."""
    input:
        unpack(edit_inputs),
    output:
        manifest="results/{scale}/edits/{edit}/manifest.json",
    log:
        "results/{scale}/logs/edits/{edit}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("smc.edit"),
        diffusion=diffusion_folder,
        guide=guide_folder,
        decoder=decoder_argument,
        folder="results/{scale}/edits/{edit}",
    shell:
        "facetory smc edit --spec {params.spec:q} --diffusion {params.diffusion:q} --guide {params.guide:q} "
        "--faces {input.faces:q} --backbone {input.backbone:q} --folder {params.folder:q} {params.decoder} "
        "> {log:q} 2>&1"


rule measure_smc:
    """Measure an edit by networks that had no part in it: judge, realism, identity, distances."""
    input:
        unpack(measure_inputs),
    output:
        manifest="results/{scale}/measures/{measure}/manifest.json",
    log:
        "results/{scale}/logs/measures/{measure}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("smc.measure"),
        edit=edit_folder,
        guide=guide_folder,
        judge=judge_folder,
        folder="results/{scale}/measures/{measure}",
        data_root=SETTINGS.config.data_root,
    shell:
        "facetory smc measure --spec {params.spec:q} --edit {params.edit:q} --guide {params.guide:q} "
        "--judge {params.judge:q} --folder {params.folder:q} --data-root {params.data_root:q} > {log:q} 2>&1"


rule reconstruct_smc:
    """Record how well the autoencoder alone reconstructs each face (SMC, Section 4)."""
    input:
        unpack(reconstruction_inputs),
    output:
        manifest="results/{scale}/reconstructions/{reconstruction}/manifest.json",
    log:
        "results/{scale}/logs/reconstructions/{reconstruction}.log",
    conda:
        "../../envs/facetory.yaml"
    threads: torch_threads
    resources:
        gpu=gpus,
    params:
        spec=asked_spec,
        code=code_of("smc.reconstruct"),
        folder="results/{scale}/reconstructions/{reconstruction}",
        data_root=SETTINGS.config.data_root,
    shell:
        "facetory smc reconstruct --spec {params.spec:q} --faces {input.faces:q} --backbone {input.backbone:q} "
        "--folder {params.folder:q} --data-root {params.data_root:q} > {log:q} 2>&1"


rule export_smc:
    """Write a diffusion model and its guide as an editor that people can use, with its card."""
    input:
        unpack(editor_inputs),
    output:
        model="results/{scale}/editors/{diffusion}/model.json",
    log:
        "results/{scale}/logs/editors/{diffusion}.log",
    conda:
        "../../envs/facetory.yaml"
    params:
        code=code_of("smc.export"),
        diffusion=diffusion_folder,
        guide=guide_folder,
        measures=measures_arguments,
        folder="results/{scale}/editors/{diffusion}",
        stands_in_for=edits_stand_in_for,
    shell:
        "facetory smc export --diffusion {params.diffusion:q} --classifier {params.guide:q} {params.measures} "
        "--model {params.folder:q} {params.stands_in_for} > {log:q} 2>&1"


rule smc_models:
    """The editor of SMC's final configuration, for `facetory edit`."""
    input:
        expand(
            "results/{scale}/editors/{diffusion}/model.json",
            scale=RESULTS,
            diffusion=STUDY.diffusions if STUDY.measures else [],
        ),
