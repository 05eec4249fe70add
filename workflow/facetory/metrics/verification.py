"""Verification errors from genuine and impostor scores, exact, ties included.

A pair is accepted where its score is at least the threshold, and the thresholds are the distinct scores and
+∞.  FMR, the false match rate, is the share of the impostor scores that are accepted, FNMR, the false
non-match rate, the share of the genuine scores that are not (ISO/IEC 19795-1).  The operating points are
those of scikit-learn's ``roc_curve`` with ``drop_intermediate=False``: FMR is its fpr, 1 − FNMR its tpr.

Scores are arrays (n,) and (m,) in any order, higher for more alike; empty ones, and ones that are not finite,
are a `FacetoryError`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from facetory.pipeline.files import FacetoryError


class OperatingPoints(NamedTuple):
    """Thresholds, ascending, the last +∞, with FMR (falling from 1 to 0) and FNMR (rising from 0 to 1)."""

    thresholds: np.ndarray
    fmr: np.ndarray
    fnmr: np.ndarray


def measures(genuine: np.ndarray, impostor: np.ndarray) -> dict[str, float]:
    """EER, FMR100, FMR1000, means, standard deviations and FDR (AdaptDiff, Table 3), by name.

    Standard deviations are those of the scores at hand (divided by n).
    """
    genuine, impostor = ordered(genuine, impostor)
    means = [scores.mean(dtype=np.float64) for scores in (genuine, impostor)]
    stds = [scores.std(dtype=np.float64) for scores in (genuine, impostor)]
    return {
        "eer": eer(genuine, impostor),
        "fmr100": fnmr_at(genuine, impostor, 100),
        "fmr1000": fnmr_at(genuine, impostor, 1000),
        "genuine_mean": float(means[0]),
        "genuine_std": float(stds[0]),
        "impostor_mean": float(means[1]),
        "impostor_std": float(stds[1]),
        "fdr": float(fdr(*means, *(std**2 for std in stds))),
    }


def eer(genuine: np.ndarray, impostor: np.ndarray) -> float:
    """The equal error rate: FMR where the line between neighbouring operating points has FMR = FNMR.

    FMR − FNMR falls strictly from 1 to −1 over the thresholds, so there is one such place.  It is found by
    bisection and computed in fractions.
    """
    genuine, impostor = ordered(genuine, impostor)

    def rates(threshold: float) -> tuple[Fraction, Fraction]:
        accepted = len(impostor) - int(impostor.searchsorted(threshold))
        return Fraction(accepted, len(impostor)), Fraction(int(genuine.searchsorted(threshold)), len(genuine))

    def beyond(threshold: float) -> bool:
        fmr, fnmr = rates(threshold)
        return fnmr > fmr

    firsts = [bisect_left(scores, True, key=beyond) for scores in (genuine, impostor)]
    sides = list(zip((genuine, impostor), firsts, strict=True))
    lower = max(scores[first - 1] for scores, first in sides if first)
    upper = min((scores[first] for scores, first in sides if first < len(scores)), default=math.inf)
    (fmr, fnmr), (next_fmr, next_fnmr) = rates(lower), rates(upper)
    gap = fmr - fnmr
    return float(fmr + (next_fmr - fmr) * gap / (gap - (next_fmr - next_fnmr)))


def fnmr_at(genuine: np.ndarray, impostor: np.ndarray, one_in: int) -> float:
    """The lowest FNMR of the operating points with FMR ≤ 1/``one_in`` (FMR100: 100, FMR1000: 1000).

    NaN for fewer than ``one_in`` impostor scores: none of them accepted is then no sign of so low an FMR.
    """
    genuine, impostor = ordered(genuine, impostor)
    if (allowed := len(impostor) // one_in) == 0:
        return math.nan
    if allowed == len(impostor):
        return 0.0
    rejected = impostor[-1 - allowed]
    return float(genuine.searchsorted(rejected, side="right") / len(genuine))


def fdr(
    genuine_mean: np.ndarray | float,
    impostor_mean: np.ndarray | float,
    genuine_variance: np.ndarray | float,
    impostor_variance: np.ndarray | float,
) -> np.ndarray:
    """Fisher discriminant ratio (μ_g − μ_i)² / (σ_g² + σ_i²) (Poh and Bengio 2004); NaN if nothing varies."""
    variance = np.asarray(genuine_variance + impostor_variance, dtype=float)
    distance = np.square(np.asarray(genuine_mean) - impostor_mean)
    return np.divide(distance, variance, out=np.full(variance.shape, math.nan), where=variance > 0)


def operating_points(genuine: np.ndarray, impostor: np.ndarray) -> OperatingPoints:
    """Every operating point: the ROC curve is (fmr, 1 − fnmr), the DET curve `deviates` of (fmr, fnmr)."""
    genuine, impostor = ordered(genuine, impostor)
    thresholds = np.append(np.unique(np.concatenate([genuine, impostor])), genuine.dtype.type(math.inf))
    accepted = len(impostor) - impostor.searchsorted(thresholds)
    return OperatingPoints(
        thresholds, accepted / len(impostor), genuine.searchsorted(thresholds) / len(genuine)
    )


def deviates(rates: np.ndarray) -> np.ndarray:
    """Normal deviates of error rates, the axes of a DET plot (Martin et al. 1997): −∞ for 0, ∞ for 1."""
    from scipy.special import ndtri

    return ndtri(rates)


def ordered(genuine: np.ndarray, impostor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both, sorted ascending, in their common floating type."""
    kind = np.result_type(genuine, impostor, np.float32)
    for name, scores in (("genuine", genuine), ("impostor", impostor)):
        if not len(scores):
            raise FacetoryError(f"Verification: there are no {name} scores. Compare more images or people.")
        if bad := int(np.count_nonzero(~np.isfinite(scores))):
            raise FacetoryError(
                f"Verification: {bad} of {len(scores)} {name} scores are not finite. Leave out the faces "
                "whose embeddings are not."
            )
    return np.sort(np.asarray(genuine, dtype=kind)), np.sort(np.asarray(impostor, dtype=kind))
