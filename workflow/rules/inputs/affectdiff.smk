# What the rules of Affect-Diff's corpus, runs, scores and models read, and their arguments for the command line.
def corpus_manifest(wildcards):
    """The corpus of an extraction or an alignment."""
    return (
        f"results/{wildcards.scale}/corpora/{asked(wildcards).corpus.id}/manifest.json"
    )


def alignment_inputs(wildcards):
    """The corpus, and the features of foundation models that an alignment reads."""
    spec, root = STUDY.alignments[wildcards.alignment], f"results/{wildcards.scale}"
    wanted = [
        own
        for own in STUDY.extractions.values()
        if own.corpus == spec.corpus
        and (own.modality, own.features) in spec.extractions
    ]
    return {
        "corpus": corpus_manifest(wildcards),
        "extractions": [f"{root}/extractions/{own.id}/manifest.json" for own in wanted],
    }


def extraction_arguments(wildcards, input):
    """The same features for the command line."""
    paths = [Path(path) for path in input.get("extractions", [])]
    return " ".join(
        f"--extraction {STUDY.extractions[path.parent.name].modality}={path.with_name('features.csd')}"
        for path in paths
    )


def alignment_of(spec, root):
    """The manifest of the aligned segments of a run: it holds their hash, so a touched file reruns nothing."""
    return f"{root}/alignments/{spec.alignment.id}/manifest.json"


def recognizer_inputs(wildcards):
    """The aligned segments of a run."""
    spec = STUDY.recognizers[wildcards.recognizer]
    return alignment_of(spec, f"results/{wildcards.scale}")


def segments_argument(wildcards, input):
    """Their file for the command line."""
    return Path(input.alignment).with_name("segments.safetensors")


def asked_of_run(wildcards):
    """A run and its segments, for its scores or its counterfactuals."""
    run, root = asked(wildcards).train, f"results/{wildcards.scale}"
    return {
        "recognizer": f"{root}/recognizers/{run.id}/manifest.json",
        "alignment": alignment_of(run, root),
    }


def latency_inputs(wildcards):
    """The runs that are timed."""
    return [
        f"results/{wildcards.scale}/recognizers/{run.id}/manifest.json"
        for run in STUDY.latencies[wildcards.latency].models
    ]


def recognizer_arguments(wildcards, input):
    """Their folders for the command line."""
    return " ".join(f"--recognizer {Path(path).parent}" for path in input.recognizers)


def affect_model_inputs(wildcards):
    """A run and its scores."""
    root = f"results/{wildcards.scale}"
    scores = [
        name for name, s in STUDY.scores.items() if s.train.id == wildcards.recognizer
    ]
    return {
        "recognizer": f"{root}/recognizers/{wildcards.recognizer}/manifest.json",
        **({"scores": f"{root}/scores/{scores[0]}/manifest.json"} if scores else {}),
    }


def scores_argument(wildcards, input):
    """The folder of a run's scores for the command line."""
    return f"--scores {Path(input.scores).parent}" if "scores" in input.keys() else ""


def mosei_stands_in(wildcards):
    """The corpus that a run's own replaces, for the command line."""
    stands_in = SETTINGS.is_stand_in("mosei", "cmu_mosei")
    return stands_in_for_argument(["CMU-MOSEI"] if stands_in else [])


recognizer_folder = folder_of("recognizer")
USED = {  # what is exported: the full model, and its sentiment variants
    run
    for plan in ("affectdiff_table2", "affectdiff_table7")
    for cell in STUDY.plans[plan].cells
    if cell.row in ("Affect-Diff (ours), –", "7-Class (−3 to +3)") and not cell.not_run
    for run in cell.runs[:1]
}
