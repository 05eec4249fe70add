"""From a number back to its data: the manifests of all that it was made from, nearest first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from facetory.pipeline.files import read_json
from facetory.pipeline.registry import Plan, PlannedCell

RESULTS = re.compile(r"(?:^|.*/)results/[^/]+/(?P<below>.+)$")
MANIFEST = "manifest.json"
RECORD_ITSELF = "timing.json"
"""A stage's only file, which is its manifest too."""


def records_of(plan: Plan, cell: PlannedCell) -> list[str]:
    """What a cell of a plan is measured from: paths below the results folder, those of a mean's parts too."""
    planned = {own.id: own for own in plan.cells}
    parts = [cell, *(planned[part] for part in cell.mean_of if part in planned)]
    return plan.model_copy(update={"cells": tuple(parts)}).inputs


def lineage(root: Path, records: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Manifests by path below ``root``, from those of the records back to the datasets', each once.

    Latents and prompts have no manifest of their own: they stand for the faces and the backbone that they
    were made of.  What a manifest names outside the results folder (weights, label files) ends the way there.
    """
    pending, found = [own for path in records for own in _manifests(root, path)], {}
    while pending:
        path = pending.pop(0)
        if path in found:
            continue
        about = read_json(root / path)
        found[path] = about if isinstance(about, dict) else {}
        pending += [own for name in _sources(root, found[path]) for own in _manifests(root, name)]
    return found


def below(root: Path, name: str) -> str | None:
    """A manifest's input as a path below the results folder, wherever that lay then; None outside it."""
    if ".." in Path(name).parts:
        return None
    if Path(name).is_relative_to(root):
        return Path(name).relative_to(root).as_posix()
    held = RESULTS.match(name)
    return held["below"] if held else None


def _sources(root: Path, about: dict[str, Any]) -> Iterator[str]:
    """What a stage read, below the results folder; a backbone is named by its spec alone."""
    yield from filter(None, (below(root, name) for name in about.get("inputs") or ()))
    spec = about.get("spec")
    own = [spec, spec.get("train")] if isinstance(spec, dict) else []
    for part in own:
        if isinstance(part, dict) and isinstance(part.get("backbone"), str):
            yield f"backbones/{part['backbone']}/{MANIFEST}"


def _manifests(root: Path, path: str) -> list[str]:
    """The manifests that vouch for a file: the nearest one above it, or those of what it was made of."""
    if PurePosixPath(path).name == RECORD_ITSELF:
        return [path] if (root / path).is_file() else []
    above = [folder / MANIFEST for folder in PurePosixPath(path).parents if folder.name]
    own = next((manifest for manifest in above if (root / manifest).is_file()), None)
    names = [str(own)] if own else [f"{name}/{MANIFEST}" for name in _made_of(path)]
    return [name for name in names if (root / name).is_file()]


def _made_of(path: str) -> list[str]:
    """latents/ENCODER/DATASET/PX/CORRUPTION/SPLIT and text/BACKBONE/DATASET tell it by their names."""
    kind, *parts = path.split("/")
    if kind == "latents" and len(parts) == 5:
        encoder, dataset, _, corruption, _ = parts
        return [f"faces/{dataset}", f"corrupted/{corruption}/{dataset}", f"backbones/{encoder}"]
    return [f"backbones/{parts[0]}"] if kind == "text" and parts else []
