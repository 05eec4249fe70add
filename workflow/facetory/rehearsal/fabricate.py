"""The data root of a rehearsal: every dataset and weight of the paper's scale, fabricated, and its marker."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from facetory.pipeline.fabricated import FABRICATED, MARKER
from facetory.pipeline.files import FacetoryError, read_json, sha256_of, write_json
from facetory.pipeline.provenance import code_of
from facetory.rehearsal.bank import bank
from facetory.rehearsal.datasets import fabricate_datasets
from facetory.rehearsal.weights import WEIGHTS, fabricate_weights

PEOPLE = 6
FACES = "faces"
"""The folder of the rendered faces that all datasets show."""
PARTS = ("weights", "checkpoints")
"""The folders below a data root that hold `WEIGHTS`; all others hold datasets."""


def fabricate(data_root: Path | str, sizes: Mapping[str, Mapping[str, int]], processes: int = 1) -> bool:
    """Fill a data root with datasets of these sizes and with `WEIGHTS`; returns whether it was not full.

    The marker (`pipeline.fabricated`) is written first, without hashes, and at the end with those of all
    files.  What was left half done, or is of other sizes or code, is deleted and made again.  A folder with
    files of somebody's own is a `FacetoryError`.
    """
    from rich.progress import Progress

    root = Path(data_root)
    whole, made = _keys(sizes), _made(root)
    if made == whole:
        return False
    kept = [] if made.get("weights") != whole["weights"] else list(PARTS)
    for own in root.iterdir() if root.is_dir() else ():
        if own.name not in (*kept, FACES, MARKER):
            shutil.rmtree(own)
    _mark(root, {name: key for name, key in whole.items() if kept and name == "weights"}, {})
    with Progress(transient=True) as shown:
        task = shown.add_task("fabricating datasets", total=len(WEIGHTS) + 1)
        fabricate_datasets(root, bank(root / FACES, PEOPLE, processes), sizes)
        for name in [] if kept else WEIGHTS:
            shown.update(task, description=f"fabricating {name}", advance=1)
            fabricate_weights(root, [name])
        shown.update(task, description="hashing", advance=1)
        _mark(root, whole, _hashes(root))
    return True


def _made(root: Path) -> dict[str, str]:
    """What a data root holds whole, by its marker."""
    if (root / MARKER).is_file():
        return dict(read_json(root / MARKER)["whole"])
    if root.is_dir() and any(root.iterdir()):
        raise FacetoryError(f"{root}: holds files that no rehearsal wrote. Name an empty or a new folder.")
    return {}


def _mark(root: Path, whole: dict[str, str], sha256: dict[str, str]) -> None:
    write_json(root / MARKER, {"about": FABRICATED, "whole": whole, "sha256": sha256})


def _keys(sizes: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
    asked = {name: dict(own) for name, own in sizes.items()}
    content = json.dumps([asked, PEOPLE, code_of("rehearsal.datasets")], sort_keys=True)
    return {
        "datasets": hashlib.sha256(content.encode()).hexdigest()[:16],
        "weights": code_of("rehearsal.weights"),
    }


def _hashes(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.name != MARKER)
    return {str(path.relative_to(root)): sha256_of(path) for path in files}
