"""The 10-fold protocol of face verification: a threshold chosen on nine folds judges the tenth.

Labeled Faces in the Wild (Huang et al., 2007), as FaceNet's and insightface's evaluations compute it: squared
L2 distances of unit features, thresholds 0, 0.01, …, 3.99, "the same person" strictly below the threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from facetory.metrics.bootstrap import Estimate, weighted_bootstrap, wilson

THRESHOLDS = np.arange(0, 4, 0.01)
AT_ONCE = 50
"""Resamples of which the counts are held in memory together."""


class FoldAccuracy(NamedTuple):
    """The mean accuracy over folds, its interval, the standard deviation over folds, what was resampled."""

    estimate: Estimate
    sd: float
    resampled: str


def kfold(pairs: int, folds: int) -> np.ndarray:
    """The fold of each pair, int64 (pairs,): consecutive blocks, the first ones longer by one where needed.

    The test sets of scikit-learn's KFold without shuffling.
    """
    sizes = np.full(folds, pairs // folds) + (np.arange(folds) < pairs % folds)
    return np.repeat(np.arange(folds), sizes)


def squared_distances(features: np.ndarray) -> np.ndarray:
    """Squared L2 distance (n,) float32 of unit features (2n, d), of rows 2i and 2i + 1."""
    return np.square(features[0::2] - features[1::2]).sum(axis=1)


def fold_accuracies(
    distance: np.ndarray, same: np.ndarray, fold: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Accuracy of each fold under the threshold that is best on the others, (…, folds).

    distance: (n,), NaN is no match; same: (n,) bool; fold: (n,) integers; weights: (R, n) for R weighted
    repetitions (all ones by default, and no R axis then).  Of equally good thresholds the lowest is taken.
    A fold without weight has accuracy NaN.
    """
    folds, fold = np.unique(fold, return_inverse=True)
    thresholds = len(THRESHOLDS)
    below = np.searchsorted(THRESHOLDS, distance, side="right")  # the first threshold above the distance
    cell = (fold * 2 + same) * (thresholds + 1) + below
    size = len(folds) * 2 * (thresholds + 1)
    rows = np.ones((1, len(cell))) if weights is None else weights
    counts = np.stack([np.bincount(cell, row, size) for row in rows])
    accepted = counts.reshape(len(rows), len(folds), 2, thresholds + 1).cumsum(axis=-1)
    total = accepted[..., -1]
    right = accepted[..., 1, :-1] + total[..., :1] - accepted[..., 0, :-1]
    elsewhere = right.sum(axis=1, keepdims=True) - right
    own = np.take_along_axis(right, elsewhere.argmax(axis=-1)[..., None], axis=-1)[..., 0]
    held = total.sum(axis=-1)
    found = np.divide(own, held, out=np.full_like(own, np.nan), where=held > 0)
    return found[0] if weights is None else found


def accuracy(
    distance: np.ndarray,
    same: np.ndarray,
    fold: np.ndarray,
    people: Sequence[tuple[str, str]] | None = None,
    seed: int = 0,
) -> FoldAccuracy:
    """Mean accuracy over folds, with the percentile interval of the whole protocol repeated on resamples.

    ``people`` are the two of each pair; where they are known, people are resampled: a pair of one person
    counts as often as the person was drawn, a pair of two the product of both (the bootstrap of a network's
    nodes; Snijders and Borgatti, Connections 22, 1999).  Otherwise pairs are.  Where every pair is decided
    rightly, or none, Wilson's interval over the people or pairs stands for it.
    """
    units, mean = protocol(distance, same, fold, people)
    found = weighted_bootstrap(mean, units, seed)
    own = fold_accuracies(distance, same, fold)
    if found.value in (0.0, 1.0):
        low, high = wilson(round(found.value * len(units)), len(units))
        found = found._replace(low=low, high=high)
    return FoldAccuracy(found._replace(n=len(same)), float(own.std()), "people" if people else "pairs")


def protocol(
    distance: np.ndarray,
    same: np.ndarray,
    fold: np.ndarray,
    people: Sequence[tuple[str, str]] | None = None,
) -> tuple[list[str], Callable[[np.ndarray], np.ndarray]]:
    """What `accuracy` resamples, and its value (R,) as a function of how often each was drawn (R, units)."""
    units, pair_weights = _resampling(same, people)

    def mean(draws: np.ndarray) -> np.ndarray:
        parts = (draws[first : first + AT_ONCE] for first in range(0, len(draws), AT_ONCE))
        found = np.concatenate([fold_accuracies(distance, same, fold, pair_weights(p)) for p in parts])
        held = ~np.isnan(found)
        return np.where(held, found, 0).sum(axis=1) / held.sum(axis=1)

    return units, mean


def _resampling(
    same: np.ndarray, people: Sequence[tuple[str, str]] | None
) -> tuple[list[str], Callable[[np.ndarray], np.ndarray]]:
    """What is resampled, and a function from how often each was drawn to the pairs' weights (R, n)."""
    if people is None:
        return [f"{pair:08d}" for pair in range(len(same))], lambda draws: draws
    units, member = np.unique(np.array(people, dtype=str), return_inverse=True)
    one, other = member.reshape(-1, 2).T

    def pair_weights(draws: np.ndarray) -> np.ndarray:
        return draws[:, one] * np.where(same, 1, draws[:, other])

    return units.tolist(), pair_weights
