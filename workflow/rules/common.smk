# Shared by the other files here: the study that config.yaml asks for, and the params that trigger reruns.
# `spec` is the canonical request and `code` a hash of the syntax trees of the stage: a changed
# value or a real edit reruns what depends on it; comments and mtimes do not.
import json
import os
import sys
from pathlib import Path

from facetory.cli.study import load_study
from facetory.data.catalogue import entry, stage_modules
from facetory.pipeline.config import check_device
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.provenance import code_of

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
RESULTS = SETTINGS.name
CONFIG = json.dumps(
    SETTINGS.config.model_dump(mode="json", exclude_defaults=True), sort_keys=True
)
TABLES = [name for name in STUDY.plans if "_fig" not in name]
FIGURES = [name for name in STUDY.plans if "_fig" in name or "_ablation_" in name]
PROBED = {spec.dataset: spec for spec in STUDY.runs.values()}


wildcard_constraints:
    scale=RESULTS.replace("+", "[+]"),
    dataset="[A-Za-z0-9_]+",
    split="train|validation|test",
    encoder="[A-Za-z0-9_.-]+",
    backbone="[A-Za-z0-9_.-]+",
    px="[0-9]+",
    corruption="clean",
    run="[A-Za-z0-9_.-]+",
    evaluation="[A-Za-z0-9_.-]+",
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
    return SETTINGS.scale.faces.model_dump_json()


def backbone_spec(wildcards):
    """Canonical request for a backbone."""
    return STUDY.backbones[wildcards.backbone].canonical()


def run_spec(wildcards):
    """Canonical request for a training run."""
    return STUDY.runs[wildcards.run].canonical()


def evaluation_spec(wildcards):
    """Canonical request for an evaluation."""
    return STUDY.evaluations[wildcards.evaluation].canonical()


def plan_digest(wildcards):
    """Hash of a table's or figure's plan: its cells, their requests and reasons."""
    return STUDY.plans[wildcards.get("table") or wildcards.figure].digest


def run_gpus(wildcards):
    """GPUs that a run leases."""
    return int(STUDY.runs[wildcards.run].device == "cuda")


def evaluation_gpus(wildcards):
    """GPUs that an evaluation leases."""
    return int(STUDY.evaluations[wildcards.evaluation].device == "cuda")


def run_threads(wildcards):
    """Torch threads of a run: part of its spec."""
    return STUDY.runs[wildcards.run].threads


def evaluation_threads(wildcards):
    """Torch threads of an evaluation."""
    return STUDY.evaluations[wildcards.evaluation].threads


def train_inputs(wildcards):
    """Latents, prompts and backbone of a run."""
    spec, root = STUDY.runs[wildcards.run], f"results/{wildcards.scale}"
    return {
        "latents": f"{root}/latents/{spec.backbone}/{spec.dataset}/{spec.px}/clean/train.safetensors",
        "text": f"{root}/text/{spec.backbone}/{spec.dataset}.safetensors",
        "backbone": f"{root}/backbones/{spec.backbone}/manifest.json",
    }


def evaluation_inputs(wildcards):
    """Latents, prompts, backbone and, unless it is the zero-shot model, the run."""
    spec, root = STUDY.evaluations[wildcards.evaluation], f"results/{wildcards.scale}"
    folder = (
        f"{root}/latents/{spec.backbone}/{spec.dataset}/{spec.px}/{spec.corruption}"
    )
    inputs = {
        "latents": f"{folder}/{spec.split}.safetensors",
        "text": f"{root}/text/{spec.backbone}/{spec.dataset}.safetensors",
        "backbone": f"{root}/backbones/{spec.backbone}/manifest.json",
    }
    return (
        {**inputs, "run": f"{root}/runs/{spec.train.id}/manifest.json"}
        if spec.train
        else inputs
    )


def run_argument(wildcards, input):
    """The run's folder for the command line; nothing for the zero-shot model."""
    return f"--run {Path(input.run).parent}" if "run" in input.keys() else ""


def probe_inputs(wildcards):
    """The faces and latents of a dataset on which something is trained."""
    spec, root = PROBED[wildcards.dataset], f"results/{wildcards.scale}"
    latents = f"{root}/latents/{spec.backbone}/{spec.dataset}/{spec.px}/clean"
    return {
        "faces": f"{root}/faces/{spec.dataset}/ledger.csv",
        "train": f"{latents}/train.safetensors",
        "test": f"{latents}/{SETTINGS.split_of(spec.dataset)}.safetensors",
    }


def probe_px(wildcards):
    """Side at which faces are probed: the scale's, 64 at most."""
    return min(64, PROBED[wildcards.dataset].px)


def plan_inputs(wildcards):
    """The evaluations that the runnable cells read."""
    plan = STUDY.plans[wildcards.get("table") or wildcards.figure]
    return [
        f"results/{wildcards.scale}/evaluations/{e}/manifest.json"
        for e in plan.evaluations
    ]


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


def half_the_cores(wildcards):
    """Processes of a stage that starts them itself: two such jobs share the machine, start-up and all."""
    return max(1, (workflow.resource_settings.cores or 2) // 2)
