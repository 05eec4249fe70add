# Shared by the other files here: the study that config.yaml asks for, and the params that trigger reruns.
# `spec` is the canonical request and `code` a hash of the syntax trees of the stage: a changed
# value or a real edit reruns what depends on it; comments and mtimes do not.
import json
import os
import re
import sys
from pathlib import Path

from facetory.cli import warm
from facetory.cli.study import load_study
from facetory.data.catalogue import entry, stage_modules
from facetory.faces.corrupt import NAMES as CORRUPTIONS
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
TABLES = [
    name for name in STUDY.plans if "_fig" not in name and "_tradeoff" not in name
]
FIGURES = [
    name
    for name in STUDY.plans
    if any(part in name for part in ("_fig", "_ablation_", "_tradeoff"))
]
PROBED = {spec.dataset: spec for spec in STUDY.runs.values()}
CORRUPT_FIRST = any(
    spec.order == "corrupt_then_align" for spec in STUDY.evaluations.values()
)
PAPERS = {"emodc": "EmoDC", "smc": "SMC", "affectdiff": "Affect-Diff"}
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


def text_and_backbone(spec, root):
    """Prompts of a spec's dataset, and its backbone."""
    return {
        "text": f"{root}/text/{spec.backbone}/{spec.dataset}.safetensors",
        "backbone": f"{root}/backbones/{spec.backbone}/manifest.json",
    }


def train_inputs(wildcards):
    """Latents, prompts and backbone of a run."""
    spec, root = STUDY.runs[wildcards.run], f"results/{wildcards.scale}"
    return {
        "latents": f"{root}/latents/{spec.backbone}/{spec.dataset}/{spec.px}/clean/train.safetensors",
        **text_and_backbone(spec, root),
    }


def evaluation_inputs(wildcards):
    """Latents, prompts, backbone and, unless it is the zero-shot model, the run."""
    spec, root = STUDY.evaluations[wildcards.evaluation], f"results/{wildcards.scale}"
    folder = f"{root}/latents/{spec.backbone}/{spec.dataset}/{spec.px}"
    inputs = {
        "latents": [f"{folder}/{c}/{spec.split}.safetensors" for c in spec.corruptions],
        **text_and_backbone(spec, root),
    }
    return (
        {**inputs, "run": f"{root}/runs/{spec.train.id}/manifest.json"}
        if spec.train
        else inputs
    )


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


def classifier_inputs(wildcards):
    """What a discriminative classifier learns from: faces, latents, or its authors' checkpoint."""
    spec, root = STUDY.classifiers[wildcards.classifier], f"results/{wildcards.scale}"
    if spec.view == "latents":
        folder = f"{root}/latents/{spec.backbone}/{spec.dataset}/{spec.px}"
        return {"latents": f"{folder}/clean/train.safetensors"}
    faces = {"faces": f"{root}/faces/{spec.dataset}/ledger.csv"}
    weights = str(SETTINGS.config.data_root / spec.weights) if spec.weights else ""
    return {**faces, "weights": weights} if weights else faces


def classification_inputs(wildcards):
    """A discriminative classifier, and the faces or latents on which it decides."""
    spec = STUDY.classifications[wildcards.classification]
    root, train = f"results/{wildcards.scale}", spec.train
    inputs = {"classifier": f"{root}/classifiers/{train.id}/manifest.json"}
    if train.view == "faces":
        inputs["faces"] = f"{root}/faces/{spec.dataset}/ledger.csv"
        first = (
            [c for c in spec.corruptions if c != "clean"]
            if spec.order == "corrupt_then_align"
            else []
        )
        ledgers = [f"{root}/corrupted/{c}/{spec.dataset}/ledger.csv" for c in first]
        return {**inputs, "corrupted": ledgers} if ledgers else inputs
    folder = f"{root}/latents/{train.backbone}/{spec.dataset}/{train.px}"
    latents = [f"{folder}/{c}/{spec.split}.safetensors" for c in spec.corruptions]
    return {**inputs, "latents": latents}


def view_argument(wildcards, input):
    """What a discriminative classifier sees, for the command line."""
    if "corrupted" in input.keys():
        spec, root = asked(wildcards), f"results/{wildcards.scale}"
        pattern = f"{root}/corrupted/{{corruption}}/{spec.dataset}/ledger.csv"
        return f"--faces {input.faces} --corrupted {pattern}"
    if "latents" not in input.keys():
        return f"--faces {input.faces}"
    several = "classification" in wildcards.keys()
    return f"--latents {latents_pattern(wildcards) if several else input.latents}"


def weights_argument(wildcards, input):
    """The authors' checkpoint for the command line, where there is one."""
    return f"--weights {input.weights}" if "weights" in input.keys() else ""


def generation_inputs(wildcards):
    """The run that draws, its prompts and backbone."""
    spec, root = STUDY.generations[wildcards.generation], f"results/{wildcards.scale}"
    run = {"run": f"{root}/runs/{spec.train.id}/manifest.json"}
    return {**run, **text_and_backbone(spec, root)}


def timing_inputs(wildcards):
    """The run and the classifiers that are timed, faces for them, prompts and backbone."""
    spec, root = STUDY.timings[wildcards.timing], f"results/{wildcards.scale}"
    return {
        "run": f"{root}/runs/{spec.train.id}/manifest.json",
        "classifiers": [
            f"{root}/classifiers/{c.id}/manifest.json" for c in spec.classifiers
        ],
        "faces": f"{root}/faces/{spec.dataset}/ledger.csv",
        "text": f"{root}/text/{spec.train.backbone}/{spec.dataset}.safetensors",
        "backbone": f"{root}/backbones/{spec.train.backbone}/manifest.json",
    }


def race_inputs(wildcards):
    """The run that races, clean latents, prompts and backbone."""
    spec, root = STUDY.races[wildcards.race], f"results/{wildcards.scale}"
    folder = f"{root}/latents/{spec.backbone}/{spec.dataset}/{spec.px}/clean"
    return {
        "run": f"{root}/runs/{spec.train.id}/manifest.json",
        "latents": f"{folder}/{spec.split}.safetensors",
        **text_and_backbone(spec, root),
    }


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


def folder_of(name):
    """The folder of one of a job's inputs, for the command line."""
    return lambda wildcards, input: str(Path(input[name]).parent)


classifier_folder, diffusion_folder, guide_folder, judge_folder, edit_folder = map(
    folder_of, ("classifier", "diffusion", "guide", "judge", "edit")
)


def decoder_argument(wildcards, input):
    """The small decoder's folder for the command line, where there is one."""
    return (
        f"--decoder {Path(input.decoder).parent}" if "decoder" in input.keys() else ""
    )


def stands_in_for(wildcards):
    """The dataset that a run's training data replace, for the command line."""
    dataset = STUDY.runs[wildcards.run].dataset
    replaced = {
        cell.slot_title
        for plan in STUDY.plans.values()
        for cell in plan.cells
        if cell.stand_in and cell.dataset == dataset and cell.trained_slot == cell.slot
    }
    return f"--stands-in-for '{' and '.join(sorted(replaced))}'" if replaced else ""


def model_inputs(wildcards):
    """A run, its evaluation on its own dataset, its race where there is one, and what it was made from."""
    spec, root = STUDY.runs[wildcards.run], f"results/{wildcards.scale}"
    evaluations = [
        f"{root}/evaluations/{name}/manifest.json"
        for name, e in STUDY.evaluations.items()
        if e.train == spec and e.dataset == spec.dataset and "clean" in e.corruptions
    ]
    races = [
        f"{root}/races/{name}/manifest.json"
        for name, race in STUDY.races.items()
        if race.train == spec
    ]
    return {
        "run": f"{root}/runs/{wildcards.run}/manifest.json",
        **({"evaluation": evaluations[0]} if evaluations else {}),
        **({"race": races[0]} if races else {}),
        "faces": f"{root}/faces/{spec.dataset}/manifest.json",
        "dataset": f"{root}/datasets/{spec.dataset}/manifest.json",
        **text_and_backbone(spec, root),
    }


def measured_arguments(wildcards, input):
    """The evaluation and the race of a run, for the command line."""
    given = [kind for kind in ("evaluation", "race") if kind in input.keys()]
    return " ".join(f"--{kind} {Path(input[kind]).parent}" for kind in given)


def classifier_arguments(wildcards, input):
    """The folders of the classifiers that are timed, for the command line."""
    return " ".join(
        f"--classifier {Path(path).parent}" for path in input.get("classifiers", [])
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
