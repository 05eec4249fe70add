"""Verification pairs of a face set: half of one person, half of two, in folds that share nobody."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from facetory.pipeline.files import FacetoryError
from facetory.pipeline.randomness import generator, permutation


class DrawnPairs(NamedTuple):
    """n pairs, fold by fold: ``first`` and ``second`` (n,) int64 are rows of the set, ``same`` (n,) bool says
    whether they show one person, ``fold`` (n,) int64."""

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray
    fold: np.ndarray


def draw_pairs(identity: np.ndarray, image: np.ndarray, pairs: int, folds: int, seed: int = 0) -> DrawnPairs:
    """Pairs of the rows of a face set, whose ``identity`` and ``image`` (n,) are given.

    People are shuffled and dealt to the folds, and each fold has as many genuine as impostor pairs, drawn
    without replacement from all that its people make.  A fold whose people make too few has as many as they
    do make: there may be fewer than ``pairs`` in all.  The pairs depend on the seed and on what people and
    images there are, not on the order of the rows.  A fold without any is a `FacetoryError`.
    """
    order = np.lexsort((image, identity))
    people, owner = np.unique(identity[order], return_inverse=True)
    if len(people) < 2 * folds or pairs < 2 * folds:
        raise FacetoryError(
            f"{folds} folds without a person in common need {2 * folds} people and as many pairs; there are "
            f"{len(people)} people and {pairs} pairs. Ask for fewer folds."
        )
    fold_of = np.empty(len(people), dtype=np.int64)
    fold_of[permutation(len(people), seed, "pairs", "people")] = np.arange(len(people)) % folds
    drawn = []
    for fold in range(folds):
        rows = np.flatnonzero(fold_of[owner] == fold)
        asked = (pairs // 2 + folds - 1 - fold) // folds
        drawn.append(_fold(rows, owner[rows], asked, seed, fold))
    first, second, same = (np.concatenate(part) for part in zip(*drawn, strict=True))
    own_fold = np.repeat(np.arange(folds), [len(part[0]) for part in drawn])
    return DrawnPairs(order[first], order[second], same, own_fold)


def _fold(
    rows: np.ndarray, owner: np.ndarray, asked: int, seed: int, fold: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A fold's pairs: its rows, sorted by owner, make partners of the later rows of the same or other owners.

    Candidates are numbered row by row and never listed, for there may be billions.
    """
    count, place = len(rows), np.arange(len(rows))
    end = np.searchsorted(owner, owner, side="right")
    partners = {True: (end - place - 1, place + 1), False: (count - end, end)}
    half = min(asked, *(int(number.sum()) for number, _ in partners.values()))
    if half == 0:
        raise FacetoryError(
            f"fold {fold}: its {len(np.unique(owner))} people make no pair of one person or none of two. "
            "Ask for fewer folds, or for people with several images."
        )
    found = []
    for same, (number, start) in partners.items():
        draw = generator(seed, "pairs", "genuine" if same else "impostor", fold)
        chosen = np.sort(draw.choice(int(number.sum()), half, replace=False))
        before = np.cumsum(number) - number
        first = np.searchsorted(before + number, chosen, side="right")
        found.append((rows[first], rows[start[first] + chosen - before[first]], np.full(half, same)))
    first, second, same_person = (np.concatenate(part) for part in zip(*found, strict=True))
    return first, second, same_person
