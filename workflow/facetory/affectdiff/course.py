"""The course of a recognizer's training: what it logged at every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facetory.affectdiff.run_cells import epochs_of
from facetory.affectdiff.spec import RecognizerSpec
from facetory.pipeline.files import read_json

Numbers = dict[str, np.ndarray]
EDGES = ("ta", "tv", "at", "av", "vt", "va")
"""The graph's directed edges: ``ta`` leads from text to audio and is A[text, audio]."""
NODES = "tav"


class Course(NamedTuple):
    """Training numbers at ``epochs`` (n,), validation numbers at ``validated`` (m,) epochs, by name.

    Epochs count from 1 at the end of the first.  ``best`` is the epoch whose weights were kept.
    """

    name: str
    spec: RecognizerSpec
    epochs: np.ndarray
    training: Numbers
    validated: np.ndarray
    validation: Numbers
    best: float


def course(folder: Path | str, name: str) -> Course:
    """The course of the run in ``folder``; a broken progress.jsonl is a `FacetoryError`."""
    trained, checked = epochs_of(Path(folder))
    manifest = read_json(Path(folder) / "manifest.json")
    outcome = manifest["training"]
    per_epoch = outcome["steps_per_epoch"]
    return Course(
        name,
        RecognizerSpec.model_validate(manifest["spec"]),
        np.array([line["step"] for line in trained], float) / per_epoch,
        _columns(trained),
        np.array([line["step"] for line in checked], float) / per_epoch,
        _columns(checked),
        outcome["best_step"] / per_epoch,
    )


def peak(own: Course, number: str = "balanced_accuracy") -> tuple[float, float]:
    """The first epoch of a validation number's maximum, and the maximum."""
    at = int(np.argmax(own.validation[number]))
    return float(own.validated[at]), float(own.validation[number][at])


def column_sum_shares(validation: Numbers) -> np.ndarray:
    """Each modality's share of the mean adjacency's column sums Aᵀ1, (epochs, 3), rows sum to 1.

    Column j sums what leads into j.  Without any edge the shares are NaN.
    """
    sums = np.stack([sum(validation[f"edge_{edge}"] for edge in EDGES if edge[1] == j) for j in NODES], 1)
    total = sums.sum(1, keepdims=True)
    return np.divide(sums, total, out=np.full_like(sums, np.nan), where=total > 0)


def _columns(lines: Sequence[dict[str, Any]]) -> Numbers:
    names = dict.fromkeys(key for line in lines for key in line if key != "step")
    return {name: np.array([line.get(name, np.nan) for line in lines], float) for name in names}
