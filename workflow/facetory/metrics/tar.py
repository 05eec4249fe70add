"""TAR at FAR of scores: the share of genuine pairs that is accepted where so many impostor pairs are.

A pair is accepted at or above a threshold, and thresholds are the scores themselves, so that equal scores are
accepted together.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from facetory.metrics.bootstrap import LEVEL, REPLICATES, Estimate
from facetory.metrics.verification import ordered
from facetory.pipeline.randomness import generator

Rule = Literal["at_most", "nearest"]


def tar_at_far(
    genuine: np.ndarray, impostor: np.ndarray, target: float, rule: Rule = "at_most", seed: int = 0
) -> Estimate:
    """The TAR at a FAR of scores (g,) and (i,), with the percentile interval over resampled pairs.

    "at_most": the highest TAR at which the FAR is at most the target.  "nearest": that of the corner of the
    ROC curve whose FAR is nearest to the target, as released; the FAR may then exceed it.  Genuine and
    impostor pairs are resampled each for themselves, as many as there are, and a resample's TAR is the
    highest with no more false accepts than the value has.  n is the number of pairs.
    """
    genuine, impostor = ordered(genuine, impostor)
    pairs, count = len(genuine), len(impostor)
    false = _most(count, target) if rule == "at_most" else _nearest(genuine, impostor, target)
    value = float(_accepted(genuine, impostor, np.array([false]))[0])
    # Of a resample in descending order, item `false` (from 0) is the original item of rank ⌊count · U⌋,
    # where U is the (false + 1)-th least of `count` uniform numbers.
    draw = generator(seed, "tar", str(target))
    share = draw.beta(false + 1, count - false, REPLICATES) if false < count else np.ones(REPLICATES)
    accepted = _accepted(genuine, impostor, np.minimum((count * share).astype(np.int64), count))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draw.binomial(pairs, accepted) / pairs, [tail, 1 - tail])
    return Estimate(value, float(low), float(high), pairs + count)


def _accepted(genuine: np.ndarray, impostor: np.ndarray, false: np.ndarray) -> np.ndarray:
    """The share of genuine scores above the impostor score of rank ``false``, from 0 at the highest."""
    bar = np.where(false < len(impostor), impostor[::-1][np.minimum(false, len(impostor) - 1)], -np.inf)
    return 1 - np.searchsorted(genuine, bar, side="right") / len(genuine)


def _most(count: int, target: float) -> int:
    """The most of ``count`` whose share is at most the target."""
    most = min(int(target * count) + 1, count)
    while most / count > target:
        most -= 1
    return most


def _nearest(genuine: np.ndarray, impostor: np.ndarray, target: float) -> int:
    """The false accepts at the corner of the ROC curve that is nearest to the target.

    Corners are the points that scikit-learn's `roc_curve` keeps: those where the curve bends.  Of two equally
    near ones the higher FAR is taken.
    """
    levels = np.unique(np.concatenate([genuine, impostor]))[::-1]
    false = len(impostor) - np.searchsorted(impostor, levels, side="left")
    true = len(genuine) - np.searchsorted(genuine, levels, side="left")
    kept = np.ones(len(levels), dtype=bool)
    kept[1:-1] = (np.diff(false, 2) != 0) | (np.diff(true, 2) != 0)
    corners = np.concatenate([[0], false[kept]])
    distance = np.abs(corners / len(impostor) - target)
    return int(corners[np.flatnonzero(distance == distance.min())[-1]])
