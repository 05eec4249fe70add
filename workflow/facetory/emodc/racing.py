"""Racing: a class leaves the comparison once the timesteps seen so far tell that it cannot win.

The diffusion classifier takes the class with the least mean error over N timesteps.  Most classes are out of
the question after a few, and a race spends the UNet on the others alone (sequential elimination; Maron &
Moore, NeurIPS 1993).  Its measure of doubt is the paired t statistic of `remainder.behind`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from facetory.emodc.remainder import Remainder, behind

Measure = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From three equally long lists, positions of samples, timesteps and classes, to their errors."""


class Outcome(NamedTuple):
    """predictions: (n,) int64; forwards: (n,) int64, rows of the UNet's batches that each sample took;
    errors: (n, N, K) float32, NaN where nothing was evaluated."""

    predictions: np.ndarray
    forwards: np.ndarray
    errors: np.ndarray


def looks(count: int, first: int = 4, growth: float = 1.2) -> tuple[int, ...]:
    """After how many of ``count`` timesteps a race looks: ``first``, ``growth`` times as many, and so on."""
    found = [min(first, count)]
    while found[-1] < count:
        found.append(min(count, max(found[-1] + 1, round(growth * found[-1]))))
    return tuple(found)


def race(measure: Measure, shape: tuple[int, int, int], model: Remainder, threshold: float) -> Outcome:
    """Decide for n samples, shape (n, N, K), by sequential elimination.

    Up to each of `looks` the classes still racing are evaluated on the model's next timesteps, for all
    samples with more than one such class at once; then those whose statistic exceeds ``threshold`` leave.
    Classes that race to the end are decided by their full means, exactly as on the full grid.
    """
    errors = np.full(shape, np.nan, np.float32)
    racing = np.ones((shape[0], shape[2]), bool)
    start = 0
    for k in looks(shape[1]):
        undecided = np.flatnonzero(racing.sum(axis=1) > 1)
        if not len(undecided):
            break
        row, step, label = np.nonzero(np.repeat(racing[undecided, None], k - start, axis=1))
        sample, timestep = undecided[row], model.order[start + step]
        errors[sample, timestep, label] = measure(sample, timestep, label)
        if k < shape[1]:
            seen = errors[undecided[:, None], model.order[:k]]
            hopeless = behind(model, np.where(racing[undecided, None], seen, np.nan)) > threshold
            racing[undecided] &= ~hopeless
        start = k
    decided = racing.sum(axis=1) == 1
    full = np.where(racing, errors.mean(axis=1, dtype=np.float64), np.inf).argmin(axis=1)
    return Outcome(
        np.where(decided, racing.argmax(axis=1), full), np.isfinite(errors).sum(axis=(1, 2)), errors
    )


def recorded(errors: np.ndarray) -> Measure:
    """A measure that reads complete errors (n, N, K): to see what a threshold would have done to them."""
    return lambda sample, timestep, label: errors[sample, timestep, label]


def critical_values(errors: np.ndarray, model: Remainder) -> np.ndarray:
    """The largest statistic, at any look, of the class that wins on the full grid: (n,), of errors (n, N, K).

    With a threshold no smaller than its critical value a sample's race agrees with the full grid: the winner
    never leaves, for without the classes that left it lies no further behind.
    """
    winner = errors.mean(axis=1, dtype=np.float64).argmin(axis=1)[:, None]
    statistics = [
        np.take_along_axis(behind(model, errors[:, model.order[:k]]), winner, axis=1)[:, 0]
        for k in looks(errors.shape[1])
        if k < errors.shape[1]
    ]
    return np.max(statistics, axis=0, initial=0.0)
