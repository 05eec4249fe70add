"""TAR at FAR of scores: the share of genuine pairs that is accepted where so many impostor pairs are.

A pair is accepted at or above a threshold, and thresholds are the scores themselves, so that equal scores are
accepted together.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from facetory.metrics.bootstrap import LEVEL, REPLICATES, Estimate
from facetory.pipeline.randomness import generator

Rule = Literal["at_most", "nearest"]


class Ordered(NamedTuple):
    """Scores in ascending order: genuine (g,), impostor (i,)."""

    genuine: np.ndarray
    impostor: np.ndarray


def ordered(scores: np.ndarray, same: np.ndarray) -> Ordered:
    """The scores (n,) of genuine (same (n,) bool) and impostor pairs; there have to be both."""
    return Ordered(np.sort(scores[same]), np.sort(scores[~same]))


def tar_at_far(scores: Ordered, target: float, rule: Rule = "at_most", seed: int = 0) -> Estimate:
    """The TAR at a FAR, with the percentile interval over resampled pairs.

    "at_most": the highest TAR at which the FAR is at most the target.  "nearest": that of the corner of the
    ROC curve whose FAR is nearest to the target, as released; the FAR may then exceed it.  Genuine and
    impostor pairs are resampled each for themselves, as many as there are, and a resample's TAR is the highest
    with no more false accepts than the value has.  n is the number of pairs.
    """
    count = len(scores.impostor)
    false = _most(count, target) if rule == "at_most" else _nearest(scores, target)
    value = float(_accepted(scores, np.array([false]))[0])
    # Of a resample in descending order, item `false` (from 0) is the original item of rank ⌊count · U⌋,
    # where U is the (false + 1)-th least of `count` uniform numbers.
    draw = generator(seed, "tar", str(target))
    share = draw.beta(false + 1, count - false, REPLICATES) if false < count else np.ones(REPLICATES)
    accepted = _accepted(scores, np.minimum((count * share).astype(np.int64), count))
    genuine = len(scores.genuine)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draw.binomial(genuine, accepted) / genuine, [tail, 1 - tail])
    return Estimate(value, float(low), float(high), genuine + count)


def _accepted(scores: Ordered, false: np.ndarray) -> np.ndarray:
    """The share of genuine scores above the impostor score of rank ``false``, from 0 at the highest."""
    genuine, impostor = scores
    bar = np.where(false < len(impostor), impostor[::-1][np.minimum(false, len(impostor) - 1)], -np.inf)
    return 1 - np.searchsorted(genuine, bar, side="right") / len(genuine)


def _most(count: int, target: float) -> int:
    """The most of ``count`` whose share is at most the target."""
    most = min(int(target * count) + 1, count)
    while most / count > target:
        most -= 1
    return most


def _nearest(scores: Ordered, target: float) -> int:
    """The false accepts at the corner of the ROC curve that is nearest to the target.

    Corners are the points that scikit-learn's `roc_curve` keeps: those where the curve bends.  Of two equally
    near ones the higher FAR is taken.
    """
    genuine, impostor = scores
    levels = np.unique(np.concatenate([genuine, impostor]))[::-1]
    false = len(impostor) - np.searchsorted(impostor, levels, side="left")
    true = len(genuine) - np.searchsorted(genuine, levels, side="left")
    bends = (np.diff(false, 2) != 0) | (np.diff(true, 2) != 0)
    corners = np.concatenate([[0], false[np.concatenate([[True], bends, [True]])]])
    distance = np.abs(corners / len(impostor) - target)
    return int(corners[np.flatnonzero(distance == distance.min())[-1]])
