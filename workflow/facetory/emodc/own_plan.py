"""What training on one's own folder comes to: classes, prompts, specs; checked before any compute."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from facetory.data import folder as own_folder
from facetory.data.catalogue import Entry, own_entry
from facetory.diffusion.catalogue import backbone as backbone_spec
from facetory.diffusion.catalogue import missing
from facetory.emodc.grids import evaluation_timesteps, union
from facetory.emodc.planning import SHARED
from facetory.emodc.prompts import adjectives_of
from facetory.emodc.spec import EmoDCEvalSpec, EmoDCScale, EmoDCTrainSpec
from facetory.pipeline.config import Settings, load_settings
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.suggest import unknown, validated

SCALES = {"demo": "demo", "sd21-base": "paper"}
"""The scale whose settings serve a backbone, where the user names none."""
BUDGET = "rafdb_basic"
"""The slot whose training budget a folder of one's own gets."""
LEAST_TRAINING, LEAST_HELD_OUT = 4, 1
"""The fewest images of a class to train on, and to measure on."""
STEPS = (1, 10, 100)
Device = Literal["cpu", "cuda"]


class Request(NamedTuple):
    """What to train: images, loss, and the scale whose settings hold; None leaves it to the scale."""

    source: Path
    loss: str = "amdit"
    steps: int | None = None
    backbone: str | None = None
    scale: str | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    adjectives: Mapping[str, str] = {}
    licence: str = "the user's own"
    seed: int = 0
    processes: int = 1
    data_root: Path = Path("data")


class Plan(NamedTuple):
    """The dataset's entry, an adjective for each class, the split to measure on, settings and specs."""

    entry: Entry
    adjectives: dict[str, str]
    split: str
    settings: Settings
    scale: EmoDCScale
    train: EmoDCTrainSpec
    evaluation: EmoDCEvalSpec


def plan_own(request: Request) -> Plan:
    """Check a request and work it out; what cannot be trained is a `FacetoryError` that names the remedy."""
    source = request.source.expanduser().resolve()
    if not source.is_dir():
        raise FacetoryError(f"{source}: no such folder. Name one with a folder of images per class.")
    classes = own_folder.class_names(source)
    name = re.sub(r"[^A-Za-z0-9_]+", "_", source.name).strip("_") or "own"
    entry = own_entry(name, source, {}, request.licence).model_copy(update={"own_classes": classes})
    split = _checked(entry, source)
    adjectives = adjectives_of(classes, request.adjectives)
    settings, scale = _scale(request)
    device = device_of(request)
    budget = scale.budgets[BUDGET].model_dump() | ({"steps": request.steps} if request.steps else {})
    shared = {key: getattr(scale, key) for key in SHARED}
    train = validated(
        EmoDCTrainSpec,
        {
            **budget,
            **shared,
            "precision": scale.precision if device == "cuda" else "no",
            "loss": request.loss,
            "dataset": name,
            "device": device,
            "threads": settings.scale.threads,
            "seed": request.seed,
        },
        "facetory train",
    )
    grids = (evaluation_timesteps(train.loss, scale.grids.get(n, n)) for n in STEPS)
    evaluation = EmoDCEvalSpec(
        train=train,
        backbone=train.backbone,
        dataset=name,
        split=split,
        px=train.px,
        timesteps=union(*grids),
        noise_seed=scale.noise_seed,
        batch_size=scale.evaluation_batch_size,
        precision=scale.evaluation_precision if device == "cuda" else "no",
        device=device,
        threads=settings.scale.threads,
    )
    return Plan(entry, adjectives, split, settings, scale, train, evaluation)


def _checked(entry: Entry, source: Path) -> str:
    """The split to measure on, after a count of the images of each class."""
    classes = entry.own_classes
    if len(classes) < 2:
        found = f"only the class folder {classes[0]}" if classes else "no class folders"
        raise FacetoryError(
            f"{source}: {found}. Put a folder of images for each of two classes or more there."
        )
    listed = own_folder.read(entry, source, source, list).found
    counts = Counter((item.sample.split, item.sample.label) for item in listed)
    splits = {split for split, _ in counts}
    held_out = "test" if "test" in splits else "validation"
    for split, least in (("train", LEAST_TRAINING), (held_out, LEAST_HELD_OUT)):
        for name in classes:
            if counts[split, name] < least:
                total = sum(number for (_, label), number in counts.items() if label == name)
                raise FacetoryError(
                    f"{source}: class {name} has {total} images, {counts[split, name]} of them in the "
                    f"{split} split, where at least {least} must be. Add images to its folder (without "
                    "folders for train and test, one in five is held out), or take the class away."
                )
    return held_out


def _scale(request: Request) -> tuple[Settings, EmoDCScale]:
    backbone = request.backbone or "demo"
    backbone_spec(backbone)
    if request.scale is None and backbone not in SCALES:
        raise unknown("backbone", backbone, SCALES, "facetory train without --scale")
    settings = load_settings({"scale": request.scale or SCALES[backbone]})
    scale = validated(EmoDCScale, settings.scale.emodc, f"{settings.config.scale}.yaml: emodc")
    if request.backbone:
        scale = scale.model_copy(update={"backbone": request.backbone})
    reason = missing(scale.backbone, request.data_root)
    if reason:
        raise FacetoryError(reason)
    return settings, scale


def device_of(request: Request) -> Device:
    """The device to train on, "cpu" or "cuda"; a scale made for GPUs without one is a `FacetoryError`."""
    if request.device != "auto":
        return request.device
    settings, _ = _scale(request)
    if settings.scale.device == "cuda" and settings.device == "cpu":
        raise FacetoryError(
            f"Scale '{settings.config.scale}' is made for GPUs and none is visible. Use --backbone demo, a "
            "machine with a GPU, or --device cpu to train on the CPU all the same (weeks)."
        )
    return settings.device
