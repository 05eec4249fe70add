# Needs: latents, aligned faces, classifiers, an autoencoder.  Makes: the diffusion model, edits and their measures.
def diffusion_inputs(wildcards):
    """Latents of every dataset that the diffusion model learns from."""
    spec, root = STUDY.diffusions[wildcards.diffusion], f"results/{wildcards.scale}"
    return [
        f"{root}/latents/{spec.backbone}/{dataset}/{spec.px}/clean/train.safetensors"
        for dataset in (spec.dataset, *spec.also)
    ]


def initial_weights(wildcards):
    """The released weights that training starts from, where the scale names any."""
    initial = STUDY.diffusions[wildcards.diffusion].initial
    return f"{initial}/unet/diffusion_pytorch_model.safetensors" if initial else []


def latents_arguments(wildcards, input):
    """The same for the command line."""
    return " ".join(f"--latents {path}" for path in input.latents)


def decoder_inputs(wildcards):
    """Latents that the small decoder learns from, and the autoencoder it imitates."""
    spec, root = STUDY.decoders[wildcards.decoder], f"results/{wildcards.scale}"
    return {
        "latents": f"{root}/latents/{spec.backbone}/{spec.dataset}/{spec.px}/clean/train.safetensors",
        "backbone": f"{root}/backbones/{spec.backbone}/manifest.json",
    }


def sample_inputs(wildcards):
    """The diffusion model that draws, and its autoencoder."""
    spec, root = STUDY.samples[wildcards.sample], f"results/{wildcards.scale}"
    return {
        "diffusion": f"{root}/diffusions/{spec.train.id}/manifest.json",
        "backbone": f"{root}/backbones/{spec.train.backbone}/manifest.json",
    }


def edit_inputs(wildcards):
    """The diffusion model, its autoencoder, the guide, the faces and, where it scores, the small decoder."""
    spec, root = STUDY.edits[wildcards.edit], f"results/{wildcards.scale}"
    decoder = (
        {"decoder": f"{root}/decoders/{spec.decoder.id}/manifest.json"}
        if spec.decoder
        else {}
    )
    return {
        "diffusion": f"{root}/diffusions/{spec.train.id}/manifest.json",
        "backbone": f"{root}/backbones/{spec.train.backbone}/manifest.json",
        "guide": f"{root}/classifiers/{spec.guide.id}/manifest.json",
        "faces": f"{root}/faces/{spec.dataset}/ledger.csv",
        **decoder,
    }


def measure_inputs(wildcards):
    """An edit, its guide and the judge."""
    spec, root = STUDY.measures[wildcards.measure], f"results/{wildcards.scale}"
    return {
        "edit": f"{root}/edits/{spec.edit.id}/manifest.json",
        "guide": f"{root}/classifiers/{spec.edit.guide.id}/manifest.json",
        "judge": f"{root}/classifiers/{spec.judge.id}/manifest.json",
    }


def reconstruction_inputs(wildcards):
    """Faces, and the autoencoder."""
    spec = STUDY.reconstructions[wildcards.reconstruction]
    root = f"results/{wildcards.scale}"
    return {
        "faces": f"{root}/faces/{spec.dataset}/ledger.csv",
        "backbone": f"{root}/backbones/{spec.backbone}/manifest.json",
    }


def final_measures(diffusion):
    """Measures of a model's edits in the paper's final configuration, one a target (Figs. 6 and 7)."""
    cells = [cell for cell in STUDY.plans["smc_fig7"].cells if not cell.not_run]
    folders = {Path(path).parent.name: None for cell in cells for path in cell.inputs}
    measures = [STUDY.measures[name] for name in folders if name in STUDY.measures]
    return [m for m in measures if m.edit.train == diffusion]


def editor_inputs(wildcards):
    """A diffusion model, the guide of its final configuration, and what was measured of its edits."""
    spec, root = STUDY.diffusions[wildcards.diffusion], f"results/{wildcards.scale}"
    measures = final_measures(spec)
    return {
        "diffusion": f"{root}/diffusions/{spec.id}/manifest.json",
        "guide": f"{root}/classifiers/{measures[0].edit.guide.id}/manifest.json",
        "measures": [f"{root}/measures/{m.id}/manifest.json" for m in measures],
        "backbone": f"{root}/backbones/{spec.backbone}/manifest.json",
    }


def measures_arguments(wildcards, input):
    """The folders of measures for the command line."""
    return " ".join(f"--measures {Path(path).parent}" for path in input.measures)


def edits_stand_in_for(wildcards):
    """The dataset that a diffusion model's training data replace, for the command line."""
    replaced = SETTINGS.is_stand_in("celebahq")
    return "--stands-in-for CelebA-HQ" if replaced else ""


def decoder_argument(wildcards, input):
    """The small decoder's folder for the command line, where there is one."""
    return (
        f"--decoder {Path(input.decoder).parent}" if "decoder" in input.keys() else ""
    )


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
