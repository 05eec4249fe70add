"""Sums of SMC's measures of the same faces: one bootstrap over people for all of them together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from facetory.pipeline.registry import PlannedCell
from facetory.report.claims.pairing import Paired, Term
from facetory.report.measured import manifests_of, why_unmade
from facetory.smc.estimates import Stored, groups_of, judged, mean, measured_edits

Values = Callable[[Stored, Stored], np.ndarray]


def _measure(name: str) -> Values:
    return lambda measured, edited: measured.arrays[name].astype(float)


def _flipped(measured: Stored, edited: Stored) -> np.ndarray:
    """Whether the judge sees the target after, NaN where it did before."""
    return np.where(
        measured.arrays["eligible"].astype(bool), measured.arrays["flipped"].astype(float), np.nan
    )


def _ancestors(measured: Stored, edited: Stored) -> np.ndarray:
    roots = edited.arrays["unique_roots"].astype(float)
    return roots[:, -1] if roots.shape[1] else np.full(len(roots), np.nan)


PER_FACE: dict[str, Values] = {
    "emotion_score": _measure("guide_target"),
    "judge_score": judged,
    "flip_rate": _flipped,
    "realism": _measure("realism"),
    "identity": _measure("identity"),
    "distance": _measure("distance"),
    "unique_ancestors": _ancestors,
}
"""The metrics that are means over faces, by name; NaN where a face has no value."""


def combination(terms: Sequence[Term], root: Path | str) -> Paired | None:
    """Σ coefficient · mean, face by face and pooled over the seeds.

    None where a cell is no mean over faces, was not made, is of other faces or seeds, or leaves out other
    faces.
    """
    if any(cell.metric not in PER_FACE or cell.not_run for _, _, cell in terms):
        return None
    read = [_read(cell, Path(root)) for _, _, cell in terms]
    found = [each for each in read if each is not None]
    if len(found) < len(read):
        return None
    faces = {tuple(tuple(m.about["sample_ids"]) for m, _ in pairs) for pairs in found}
    if len(faces) > 1 or len({cell.seeds for _, _, cell in terms}) > 1:
        return None
    values = [
        [PER_FACE[cell.metric](*pair) for pair in pairs]
        for (_, _, cell), pairs in zip(terms, found, strict=True)
    ]
    held = [np.isfinite(np.concatenate(own)) for own in values]
    if any((held[0] != other).any() for other in held):
        return None
    by_seed = [
        np.sum([term.coefficient * own for term, own in zip(terms, of_seed, strict=True)], axis=0)
        for of_seed in zip(*values, strict=True)
    ]
    groups = groups_of([measured for measured, _ in found[0]])
    means = tuple(float(np.nanmean(own)) for own in by_seed if np.isfinite(own).any())
    return Paired(mean(np.concatenate(by_seed), groups), means)


def _read(cell: PlannedCell, root: Path) -> list[tuple[Stored, Stored]] | None:
    """The measures and edits of a cell, one pair a seed."""
    manifests = manifests_of(cell, root)
    if not manifests or why_unmade(manifests):
        return None
    return measured_edits(manifests)
