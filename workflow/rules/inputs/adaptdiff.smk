# What the rules of AdaptDiff and of face recognition read, and their arguments for the command line.
def face_set_ledger(wildcards):
    """The aligned faces of a face set's dataset."""
    spec = STUDY.face_sets[wildcards.face_set]
    return f"results/{wildcards.scale}/faces/{spec.dataset}/ledger.csv"


def context_faces(wildcards):
    """The face set whose contexts are embedded."""
    spec = STUDY.contexts[wildcards.context]
    return f"results/{wildcards.scale}/face_sets/{spec.faces.id}/manifest.json"


def generator_inputs(wildcards):
    """Latents and contexts of the same faces, and the model to start from; or the authors' checkpoint."""
    spec, root = STUDY.generators[wildcards.generator], f"results/{wildcards.scale}"
    if spec.weights:
        return {"weights": str(SETTINGS.config.data_root / spec.weights)}
    initial = {"initial": f"{spec.initial}/unet.safetensors"} if spec.initial else {}
    return {
        "latents": f"{root}/latents/{spec.backbone}/{spec.dataset}/{spec.px}/clean/train.safetensors",
        "contexts": f"{root}/contexts/{spec.contexts.id}/manifest.json",
        **initial,
    }


def contexts_file(wildcards, input):
    """The contexts beside their manifest."""
    return str(Path(input.contexts).with_name("contexts.safetensors"))


def generator_arguments(wildcards, input):
    """The same for the command line."""
    if "weights" in input.keys():
        return f"--weights {input.weights}"
    return f"--latents {input.latents} --contexts {contexts_file(wildcards, input)}"


def synthesis_inputs(wildcards):
    """The generator, its first stage, and the pool of identities."""
    spec, root = STUDY.syntheses[wildcards.synthesis], f"results/{wildcards.scale}"
    return {
        "generator": f"{root}/generators/{spec.generator.id}/manifest.json",
        "identities": f"{root}/pools/{spec.pool.id}/manifest.json",
        "backbone": f"{root}/backbones/{spec.generator.backbone}/manifest.json",
    }


def shard_manifests(wildcards):
    """The shards of a synthetic set."""
    count = shard_count(STUDY.syntheses[wildcards.synthesis], SETTINGS)
    root = f"results/{wildcards.scale}/syntheses/{wildcards.synthesis}/shards"
    return [f"{root}/{shard}of{count}/manifest.json" for shard in range(1, count + 1)]


def shard_arguments(wildcards, input):
    """The same for the command line."""
    return " ".join(f"--shard {Path(path).parent}" for path in input.shards)


def audit_inputs(wildcards):
    """A synthetic set, and the contexts of its generator's training faces."""
    spec, root = STUDY.audits[wildcards.audit].synthesis, f"results/{wildcards.scale}"
    return {
        "faces": f"{root}/syntheses/{spec.id}/manifest.json",
        "contexts": f"{root}/contexts/{spec.generator.contexts.id}/manifest.json",
    }


def judged_faces(wildcards):
    """The face set whose separability is measured."""
    return f"results/{wildcards.scale}/{asked(wildcards).faces}/manifest.json"


def face_recognizer_inputs(wildcards):
    """The faces that a recogniser learns from, and the benchmarks that choose its epoch, if any do."""
    spec, root = (
        STUDY.face_recognizers[wildcards.face_recognizer],
        f"results/{wildcards.scale}",
    )
    return {
        "faces": f"{root}/{spec.faces}/manifest.json",
        "benchmarks": [
            f"{root}/benchmarks/{name}/manifest.json" for name in spec.benchmarks
        ],
    }


def benchmark_arguments(wildcards, input):
    """The benchmarks for the command line."""
    return " ".join(f"--benchmark {Path(path).parent}" for path in input.benchmarks)


def benchmark_source(wildcards):
    """A benchmark's own file or folder, or the face set that its pairs are drawn from."""
    spec = STUDY.benchmarks[wildcards.benchmark]
    if spec.faces:
        return f"results/{wildcards.scale}/face_sets/{spec.faces.id}/manifest.json"
    dataset = entry(spec.dataset, SETTINGS.config.datasets)
    source = source_of(dataset, SETTINGS.config.data_root)
    return str(source / dataset.layout[0] if spec.protocol == "bin" else source)


def verification_inputs(wildcards):
    """The benchmark, and the recogniser if one was trained."""
    spec, root = (
        STUDY.verifications[wildcards.verification],
        f"results/{wildcards.scale}",
    )
    recogniser = (
        {}
        if isinstance(spec.model, str)
        else {"recogniser": f"{root}/face_recognizers/{spec.model.id}/manifest.json"}
    )
    return {
        "benchmark": f"{root}/benchmarks/{spec.benchmark.id}/manifest.json",
        **recogniser,
    }


def recogniser_argument(wildcards, input):
    """The trained recogniser for the command line, if there is one."""
    return (
        f"--recogniser {Path(input.recogniser).parent}"
        if "recogniser" in input.keys()
        else ""
    )


def final_separations():
    """The separability of AdaptDiff's own faces (Figs. 1 and 3) by the generator that drew them."""
    found = {}
    for plan in ("adaptdiff_fig1", "adaptdiff_fig3"):
        cells = [
            cell
            for cell in STUDY.plans[plan].cells
            if cell.row == "AdaptDiff" and not cell.not_run
        ]
        for cell in cells[:1]:
            found[STUDY.syntheses[cell.runs[0]].generator.id] = (cell, cell.inputs[0])
    return found


EXPORTED = final_separations()


def identity_model_inputs(wildcards):
    """A generator, its pool of identities, its first stage, and the separability of its faces."""
    cell, separation = EXPORTED[wildcards.generator]
    spec, root = STUDY.syntheses[cell.runs[0]], f"results/{wildcards.scale}"
    return {
        "generator": f"{root}/generators/{spec.generator.id}/manifest.json",
        "identities": f"{root}/pools/{spec.pool.id}/manifest.json",
        "backbone": f"{root}/backbones/{spec.generator.backbone}/manifest.json",
        "separation": f"{root}/{separation}",
    }


def identities_file(wildcards, input):
    """The pool of identities for the command line."""
    return str(Path(input.identities).with_name("identities.safetensors"))


def generator_stands_in(wildcards):
    """The dataset that a generator's own replaces, for the command line."""
    cell, _ = EXPORTED[wildcards.generator]
    return stands_in_for_argument([cell.slot_title] if cell.stand_in else [])
