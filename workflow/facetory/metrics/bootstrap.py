"""Confidence intervals: the percentile bootstrap over people, and Wilson's interval for a proportion.

A statistic is a function of sums over samples, and a replicate's sums are (how often each person was drawn)
times (the person's own sums): one matrix product replaces the loop over resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from facetory.pipeline.randomness import generator

REPLICATES = 2000
LEVEL = 0.95
DRAWS_AT_ONCE = 4_000_000


class Estimate(NamedTuple):
    """A value with its confidence interval; n is the number of samples."""

    value: float
    low: float
    high: float
    n: int


def clusters(persons: Sequence[str], sample_ids: Sequence[str]) -> list[str]:
    """What is resampled together: a sample's person, or the sample alone where the person is unknown ('')."""
    return [f"person {p}" if p else f"sample {s}" for p, s in zip(persons, sample_ids, strict=True)]


def bootstrap(
    summands: np.ndarray,
    groups: Sequence[str],
    statistic: Callable[[np.ndarray], np.ndarray],
    seed: int = 0,
    replicates: int = REPLICATES,
    level: float = LEVEL,
) -> Estimate:
    """Percentile bootstrap that resamples whole clusters (Efron & Tibshirani, 1993, chapters 8 and 13).

    summands: (n, m), one row a sample; groups: n cluster names; statistic: sums (..., m) to values (...).
    The result depends on (seed, the set of samples), not on their order.  With a single cluster nothing can
    be resampled and the interval is NaN.
    """
    names, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    sums = np.zeros((len(names), summands.shape[1]))
    np.add.at(sums, member, np.asarray(summands, dtype=float))
    value = float(statistic(sums.sum(axis=0)))
    if len(names) == 1:
        return Estimate(value, math.nan, math.nan, len(summands))
    resampled = [counts @ sums for counts in draws(seed, replicates, len(names), len(names))]
    return Estimate(value, *interval(statistic(np.concatenate(resampled)), level), len(summands))


def weighted_bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray],
    groups: Sequence[str],
    seed: int = 0,
    replicates: int = REPLICATES,
    level: float = LEVEL,
) -> Estimate:
    """`bootstrap` of a statistic that is no function of sums, such as the area under a curve.

    statistic: weights (R, n) to values (R,), where a sample's weight is how often its cluster was drawn; the
    resamples are those of `bootstrap`.  Where no replicate has a value, the interval is NaN.
    """
    names, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    value = float(statistic(np.ones((1, len(member))))[0])
    if len(names) == 1:
        return Estimate(value, math.nan, math.nan, len(member))
    drawn = draws(seed, replicates, len(names), len(member))
    found = np.concatenate([statistic(counts[:, member]) for counts in drawn])
    return Estimate(value, *interval(found, level), len(member))


def draws(seed: int, replicates: int, count: int, width: int) -> Iterator[np.ndarray]:
    """The replicates' counts of ``count`` clusters, in parts whose arrays (…, width) fit in memory."""
    random = generator(seed, "bootstrap")
    step = max(1, DRAWS_AT_ONCE // max(width, 1))
    for done in range(0, replicates, step):
        yield _draw_counts(random, min(step, replicates - done), count)


def interval(replicates: np.ndarray, level: float) -> tuple[float, float]:
    """The percentile interval of the replicates that have a value."""
    held = replicates[~np.isnan(replicates)]
    if not len(held):
        return math.nan, math.nan
    tail = (1 - level) / 2
    low, high = np.quantile(held, [tail, 1 - tail])
    return float(low), float(high)


def _draw_counts(random: np.random.Generator, replicates: int, count: int) -> np.ndarray:
    """How often each of ``count`` clusters is drawn in each replicate, float64, (replicates, count)."""
    drawn = random.integers(count, size=(replicates, count))
    drawn += count * np.arange(replicates)[:, None]
    return np.bincount(drawn.ravel(), minlength=replicates * count).reshape(replicates, count).astype(float)


def mean_estimate(scores: np.ndarray, groups: Sequence[str], seed: int = 0, **options: float) -> Estimate:
    """The mean of per-sample scores (n,): an accuracy, a paired difference, an average of several columns."""
    summands = np.stack([np.asarray(scores, dtype=float), np.ones(len(scores))], axis=1)
    return bootstrap(summands, groups, lambda sums: sums[..., 0] / sums[..., 1], seed, **options)  # type: ignore[arg-type]


def share_estimate(hits: np.ndarray, groups: Sequence[str], seed: int = 0) -> Estimate:
    """The share of hits (n,) bool; where all samples agree, which no resample can doubt, Wilson's interval
    over the clusters."""
    found = mean_estimate(hits, groups, seed)
    if found.value not in (0.0, 1.0):
        return found
    people = len(set(groups))
    low, high = wilson(round(found.value * people), people)
    return found._replace(low=low, high=high)


def mean_recall_estimate(
    labels: np.ndarray,
    predictions: np.ndarray,
    classes: int,
    groups: Sequence[str],
    seed: int = 0,
    **options: float,
) -> Estimate:
    """Mean class accuracy with its interval; a replicate averages the classes it drew."""
    of_class = np.eye(classes)[labels]
    summands = np.concatenate([of_class * (labels == predictions)[:, None], of_class], axis=1)
    return bootstrap(summands, groups, lambda sums: _mean_recall(sums, classes), seed, **options)  # type: ignore[arg-type]


def _mean_recall(sums: np.ndarray, classes: int) -> np.ndarray:
    hits, totals = sums[..., :classes], sums[..., classes:]
    present = totals > 0
    recalls = np.divide(hits, totals, out=np.zeros_like(hits), where=present)
    return recalls.sum(axis=-1) / present.sum(axis=-1)


def wilson(successes: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's score interval for a proportion of independent samples (Wilson, JASA 22, 1927)."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    p, shrink = successes / n, 1 + z * z / n
    centre = (p + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)
