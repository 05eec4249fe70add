# Shared by the other files here: the study that config.yaml asks for, and the params that trigger reruns.
# `spec` is the canonical request and `code` a hash of the syntax trees of the stage: a changed
# value or a real edit reruns what depends on it; comments and mtimes do not.
import json
import os
import re
import shlex
import sys
from pathlib import Path

from facetory.adaptdiff.planning import shard_count
from facetory.cli import warm
from facetory.cli.study import load_study
from facetory.data.catalogue import entry, source_of, stage_modules
from facetory.faces.corrupt import NAMES as CORRUPTIONS
from facetory.pipeline.config import check_device
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.provenance import code_of
from facetory.pipeline.registry import PAPERS, is_drawn, is_table

# Jobs find `facetory` beside the Python that runs Snakemake, whether or not its environment is activated.
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()])
)

try:
    STUDY = load_study(config)
    check_device(STUDY.settings)
except FacetoryError as error:
    raise WorkflowError(str(error)) from None

SETTINGS = STUDY.settings
if SETTINGS.rehearsal:  # every training stops once and is resumed
    os.environ.update(FACETORY_INTERRUPT="1")
RESULTS = SETTINGS.name
CONFIG = json.dumps(
    SETTINGS.config.model_dump(mode="json", exclude_defaults=True), sort_keys=True
)
TABLES = list(filter(is_table, STUDY.plans))
FIGURES = list(filter(is_drawn, STUDY.plans))
PROBED = {spec.dataset: spec for spec in STUDY.runs.values()}
CORRUPT_FIRST = any(
    spec.order == "corrupt_then_align" for spec in STUDY.evaluations.values()
)
KINDS = {
    "run": "runs",
    "evaluation": "evaluations",
    "classifier": "classifiers",
    "classification": "classifications",
    "generation": "generations",
    "timing": "timings",
    "race": "races",
    "diffusion": "diffusions",
    "decoder": "decoders",
    "sample": "samples",
    "edit": "edits",
    "measure": "measures",
    "reconstruction": "reconstructions",
    "corpus": "corpora",
    "extraction": "extractions",
    "alignment": "alignments",
    "recognizer": "recognizers",
    "score": "scores",
    "latency": "latencies",
    "counterfactual": "counterfactuals",
    "face_set": "face_sets",
    "context": "contexts",
    "generator": "generators",
    "pool": "pools",
    "synthesis": "syntheses",
    "audit": "audits",
    "separation": "separations",
    "face_recognizer": "face_recognizers",
    "benchmark": "benchmarks",
    "verification": "verifications",
}


def one_of(names):
    """A pattern of these names alone."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    scale=RESULTS.replace("+", "[+]"),
    dataset="[A-Za-z0-9_]+",
    split="train|validation|test",
    encoder="[A-Za-z0-9_.-]+",
    backbone="[A-Za-z0-9_.-]+",
    px="[0-9]+",
    corruption="clean|" + "|".join(CORRUPTIONS) if CORRUPT_FIRST else "clean",
    corrupted="|".join(CORRUPTIONS),
    run="[A-Za-z0-9_.-]+",
    classifier="[A-Za-z0-9_.-]+",
    evaluation=one_of(STUDY.evaluations),
    classification=one_of(STUDY.classifications),
    generation="[A-Za-z0-9_.-]+",
    timing="[A-Za-z0-9_.-]+",
    race="[A-Za-z0-9_.-]+",
    diffusion="[A-Za-z0-9_.-]+",
    decoder="[A-Za-z0-9_.-]+",
    sample="[A-Za-z0-9_.-]+",
    edit="[A-Za-z0-9_.-]+",
    measure="[A-Za-z0-9_.-]+",
    reconstruction="[A-Za-z0-9_.-]+",
    corpus="[A-Za-z0-9_.-]+",
    extraction="[A-Za-z0-9_.-]+",
    alignment="[A-Za-z0-9_.-]+",
    recognizer="[A-Za-z0-9_.-]+",
    score="[A-Za-z0-9_.-]+",
    latency="[A-Za-z0-9_.-]+",
    counterfactual="[A-Za-z0-9_.-]+",
    face_set="[A-Za-z0-9_.-]+",
    context="[A-Za-z0-9_.-]+",
    generator="[A-Za-z0-9_.-]+",
    pool="[A-Za-z0-9_.-]+",
    synthesis="[A-Za-z0-9_.-]+",
    shard="[0-9]+",
    shards="[0-9]+",
    audit="[A-Za-z0-9_.-]+",
    separation="[A-Za-z0-9_.-]+",
    face_recognizer="[A-Za-z0-9_.-]+",
    benchmark="[A-Za-z0-9_.-]+",
    verification="[A-Za-z0-9_.-]+",
    released=one_of(SETTINGS.scale.pretraining),
    table="|".join(TABLES),
    figure="|".join(FIGURES),


def dataset_spec(wildcards):
    """Canonical request for a dataset's index."""
    return STUDY.datasets[wildcards.dataset].canonical()


def dataset_code(wildcards):
    """Hash of the code that makes a dataset's index."""
    return code_of(*stage_modules(entry(wildcards.dataset, SETTINGS.config.datasets)))


def faces_spec(wildcards):
    """Canonical request for detection and crop."""
    scale = SETTINGS.scale
    return scale.faces_of.get(wildcards.dataset, scale.faces).model_dump_json()


def backbone_spec(wildcards):
    """Canonical request for a backbone."""
    return STUDY.backbones[wildcards.backbone].canonical()


def pretraining_options(wildcards):
    """How a released model is trained, for the command line."""
    own = SETTINGS.scale.pretraining[wildcards.released].model_dump()
    return " ".join(f"--{key.replace('_', '-')} {value}" for key, value in own.items())


def plan_of(wildcards):
    """The plan of a table or figure."""
    return STUDY.plans[wildcards.get("table") or wildcards.figure]


def plan_digest(wildcards):
    """Hash of a table's or figure's plan: its cells, their requests and reasons."""
    return plan_of(wildcards).digest


def paper_title(wildcards):
    """The heading of a paper's tables and figures in the report."""
    return PAPERS[plan_of(wildcards).paper]


def table_code(wildcards):
    """Hash of the code that measures and writes a table."""
    return code_of(f"{plan_of(wildcards).paper}.cells", "report.tables")


def figure_code(wildcards):
    """Hash of the code that draws a figure."""
    return code_of(f"{plan_of(wildcards).paper}.draw")


def asked(wildcards):
    """The spec of the run, evaluation, classifier or other kind of thing that a job makes."""
    kind = next(kind for kind in KINDS if kind in wildcards.keys())
    return getattr(STUDY, KINDS[kind])[wildcards[kind]]


def asked_spec(wildcards):
    """Canonical request for the same."""
    return asked(wildcards).canonical()


def gpus(wildcards):
    """GPUs that a job leases."""
    return int(asked(wildcards).device == "cuda")


def torch_threads(wildcards):
    """Torch threads of a job: part of its spec."""
    return asked(wildcards).threads


def latents_pattern(wildcards):
    """The latents files of an evaluation, or those that one job encodes, by corruption."""
    if "split" in wildcards.keys():
        encoder, dataset, px, split = (
            wildcards[key] for key in ("encoder", "dataset", "px", "split")
        )
    else:
        spec = asked(wildcards)
        encoder = getattr(spec, "backbone", "") or spec.train.backbone
        dataset, split = spec.dataset, spec.split
        px = getattr(spec, "px", 0) or spec.train.px
    root = f"results/{wildcards.scale}/latents/{encoder}/{dataset}/{px}"
    return f"{root}/{{corruption}}/{split}.safetensors"


def faces_ledger(wildcards):
    """Aligned faces, of pictures that were corrupted first unless they are clean."""
    root, name = f"results/{wildcards.scale}", wildcards.corruption
    folder = "faces" if name == "clean" else f"corrupted/{name}"
    return f"{root}/{folder}/{wildcards.dataset}/ledger.csv"


def images_per_class(wildcards):
    """How many faces of each class are corrupted, for the command line: as their evaluations ask."""
    limits = {
        spec.images_per_class
        for spec in STUDY.evaluations.values()
        if spec.dataset == wildcards.dataset and spec.corruptions != ("clean",)
    }
    return "".join(f"--images-per-class {limit}" for limit in limits if limit)


def folder_of(name):
    """The folder of one of a job's inputs, for the command line."""
    return lambda wildcards, input: str(Path(input[name]).parent)


classifier_folder, diffusion_folder, guide_folder, judge_folder, edit_folder = map(
    folder_of, ("classifier", "diffusion", "guide", "judge", "edit")
)


def stands_in_for_argument(titles):
    """The datasets that a model's own training data replace, for the command line."""
    replaced = SETTINGS.replaced(" and ".join(titles))
    return f"--stands-in-for {shlex.quote(replaced)}" if titles else ""


def plan_inputs(wildcards):
    """What the runnable cells of a table or figure read."""
    return [f"results/{wildcards.scale}/{path}" for path in plan_of(wildcards).inputs]


def table_files(names):
    """The files of some tables."""
    return expand(
        "results/{scale}/tables/{name}.{kind}",
        scale=RESULTS,
        name=names,
        kind=["cells.json", "html"],
    )


def figure_files(names):
    """The files of some figures."""
    return expand(
        "results/{scale}/figures/{name}.{kind}",
        scale=RESULTS,
        name=names,
        kind=["png", "pdf"],
    )


def all_the_cores(wildcards):
    """The whole machine, for a job that must be alone on it."""
    return workflow.resource_settings.cores or 1


def half_the_cores(wildcards):
    """Processes of a stage that starts them itself: two such jobs share the machine, start-up and all."""
    return max(1, (workflow.resource_settings.cores or 2) // 2)


include: "inputs/emodc.smk"
include: "inputs/smc.smk"
include: "inputs/recognition.smk"
include: "inputs/probes.smk"
include: "inputs/affectdiff.smk"
include: "inputs/adaptdiff.smk"
include: "inputs/report.smk"
