"""The threshold of a race and the bound on its error, from complete records of other people."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from facetory.emodc.racing import critical_values
from facetory.emodc.remainder import Remainder, learnt
from facetory.metrics.bootstrap import clusters, wilson
from facetory.pipeline.files import FacetoryError, open_tensors, read_metadata, write_tensors
from facetory.pipeline.randomness import permutation

TAIL = 0.2
CONFIDENCE = 0.9
INNER_FOLDS = 5
TENSORS = ("order", "whitening", "loadings")


class Calibration(NamedTuple):
    """A model of the remainder and the threshold z of a race, with what is known of its disagreement.

    samples: how many calibrated it; disagreements: how many of them have a critical value above z, and wilson
    the upper end of that rate's 95 % interval; bound: on P(disagreement) of a new, exchangeable sample.
    """

    model: Remainder
    threshold: float
    samples: int
    disagreements: int
    bound: float
    wilson: float


def calibrate(
    errors: np.ndarray,
    people: np.ndarray,
    target: float,
    seed: int = 0,
    fit: Callable[[np.ndarray], Remainder] = learnt,
) -> Calibration:
    """Learn the remainder and the threshold from complete errors (m, N, K) of ``people`` (m,).

    A sample's critical value is taken under a model of other people (cross-conformal prediction; Vovk, Ann.
    Math. Artif. Intell. 74, 2015); the model that is returned has learnt from all.  z is no less than the
    r-th smallest of the m critical values, r = ⌈(m + 1) target⌉ or m, so a new sample that is exchangeable
    with them exceeds it with probability (m + 1 − r) / (m + 1) at most, whatever their distribution: that is
    the bound, 1 − target where m suffices and 1 / (m + 1) where it does not.
    """
    fold = folds(people, min(INNER_FOLDS, len(set(people))), seed)
    critical = np.empty(len(errors))
    for held_out in np.unique(fold):
        mine = fold == held_out
        critical[mine] = critical_values(errors[mine], fit(errors[~mine]))
    z, m = threshold(critical, target), len(errors)
    above = int((critical > z).sum())
    bound = (m + 1 - rank(m, target)) / (m + 1)
    return Calibration(fit(errors), z, m, above, bound, wilson(above, m)[1])


def rank(samples: int, target: float) -> int:
    """r of split conformal prediction: the r-th smallest of m values bounds the next with P ≥ target.

    m where m values are too few for the target.
    """
    return min(samples, math.ceil(round((samples + 1) * target, 9)))


def threshold(critical: np.ndarray, target: float) -> float:
    """The z that a new sample's critical value exceeds with probability 1 − target at most.

    Few samples do not show so far a tail, so it is carried on from the upper fifth of ``critical`` (m,),
    beyond u, as exponential (peaks over a threshold; Pickands, Ann. Stat. 3, 1975, with shape 0):
    P(c > z) = 0.2 exp(−(z − u)/β), β at the upper end of its one-sided 90 % interval.  z is never less than
    the value at `rank`, nor than the normal quantile that a single comparison asks for.
    """
    from scipy.stats import chi2

    ordered = np.sort(critical)[::-1]
    count = math.ceil(TAIL * len(ordered))
    u = ordered[min(count, len(ordered) - 1)]
    beta = 2 * (ordered[:count] - u).sum() / chi2.ppf(1 - CONFIDENCE, 2 * count)
    extrapolated = u + beta * max(0.0, math.log(TAIL / (1 - target)))
    observed = ordered[len(ordered) - rank(len(ordered), target)]
    return float(max(extrapolated, observed, NormalDist().inv_cdf(target)))


def folds(people: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """A fold in range(count) for every sample, (n,) int64; a person's samples (see `strangers`) share it."""
    names, member = np.unique(people, return_inverse=True)
    if not 2 <= count <= len(names):
        raise FacetoryError(
            f"folds: {len(names)} people do not make {count} folds of them, two at least. A race's threshold "
            "is chosen on other people than it is judged on: evaluate more people, or ask for fewer folds."
        )
    return permutation(len(names), seed, "emodc", "race folds")[member] % count


def strangers(persons: list[str], sample_ids: list[str]) -> np.ndarray:
    """Who is whom, (n,) str: the person, or the sample alone where the person is unknown ('')."""
    return np.array(clusters(persons, sample_ids))


def write_calibration(path: Path | str, calibration: Calibration) -> None:
    """Write a calibration as safetensors, for races on other samples of the same model."""
    model, *numbers = calibration
    tensors = {name: np.ascontiguousarray(getattr(model, name)) for name in TENSORS}
    about = dict(zip(Calibration._fields[1:], numbers, strict=True)) | {"freedom": model.freedom}
    write_tensors(path, tensors, about)


def read_calibration(path: Path | str) -> Calibration:
    """Read what `write_calibration` wrote."""
    about = read_metadata(path)
    with open_tensors(path) as handle:
        tensors = {name: handle.get_tensor(name) for name in TENSORS}
    model = Remainder(**tensors, freedom=about["freedom"])
    return Calibration(model, *(about[name] for name in Calibration._fields[1:]))
