"""Sums of EmoDC's accuracies on the same images: one bootstrap over people for all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facetory.emodc.cells import reader
from facetory.emodc.decisions import correct
from facetory.metrics.bootstrap import clusters, mean_estimate
from facetory.metrics.records import part_of
from facetory.pipeline.registry import Plan, PlannedCell
from facetory.report.claims.pairing import Paired, Term

Grids = tuple[tuple[int, ...], ...]


class Answers(NamedTuple):
    """The images of one evaluation, whose people are resampled, and how often each was right (n,)."""

    images: tuple[str, ...]
    groups: list[str]
    right: np.ndarray


def combination(terms: Sequence[Term], root: Path | str) -> Paired | None:
    """Σ coefficient · accuracy, as a fraction, image by image and pooled over the seeds.

    None where a cell is no accuracy, has no records, or was measured on other images or seeds.
    """
    answered = [_answers(plan, cell, Path(root)) for _, plan, cell in terms]
    found = [answers for answers in answered if answers]
    if len(found) < len(answered) or len({cell.seeds for _, _, cell in terms}) > 1:
        return None
    if len({tuple(one.images for one in answers) for answers in found}) > 1:
        return None
    by_seed = [
        np.sum([term.coefficient * one.right for term, one in zip(terms, of_seed, strict=True)], axis=0)
        for of_seed in zip(*found, strict=True)
    ]
    groups = [group for one in found[0] for group in one.groups]
    return Paired(mean_estimate(np.concatenate(by_seed), groups), tuple(float(own.mean()) for own in by_seed))


def _answers(plan: Plan, cell: PlannedCell, root: Path) -> list[Answers] | None:
    """A cell's answers, one a seed; those of a mean of cells are its parts' means."""
    if cell.metric != "accuracy" or cell.kind != "measured" or cell.not_run:
        return None
    planned = {part.id: part.timesteps for part in plan.cells}
    grids = tuple(planned[part] for part in cell.mean_of) or (cell.timesteps,)
    found = [
        _answered(root, evaluation, cell.corruption, grids, cell.images_per_class)
        for evaluation in cell.evaluations
    ]
    answers = [one for one in found if one is not None]
    return answers if len(answers) == len(found) else None


_reader = lru_cache(maxsize=1)(reader)


@lru_cache(maxsize=1024)
def _answered(
    root: Path, evaluation: str, corruption: str, grids: Grids, images_per_class: int | None
) -> Answers | None:
    records = _reader(root)(evaluation, corruption)
    if isinstance(records, str):
        return None
    part = part_of(records, images_per_class)
    right = np.mean([correct(part, grid) for grid in grids], axis=0)
    return Answers(tuple(part.sample_ids), clusters(part.persons, part.sample_ids), right)
