"""Fréchet distance between two sets of features, whole and split.

FID is this distance on the features of one network, Inception (Heusel et al. 2017, Eq. 6).
"""

from __future__ import annotations

import numpy as np

from facetory.pipeline.files import FacetoryError
from facetory.pipeline.randomness import permutation


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """|μ_a − μ_b|² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½) of features (n, d) and (m, d), n and m at least 2.

    The eigenvalues of Σ_a Σ_b are squares of the singular values of C_a C_bᵀ, where Σ = CᵀC, so the root's
    trace is their sum: no square root of a singular matrix is taken, and few samples need no d × d matrix.
    Covariances divide by n − 1.  Computed in float64.
    """
    a, b = (np.asarray(features, dtype=np.float64) for features in (a, b))
    if min(len(a), len(b)) < 2:
        raise FacetoryError(
            f"Fréchet distance: {len(a)} and {len(b)} samples; a covariance needs 2. Use more images."
        )
    difference = a.mean(axis=0) - b.mean(axis=0)
    root_a, root_b = covariance_root(a), covariance_root(b)
    spread = (root_a**2).sum() + (root_b**2).sum() - 2 * np.linalg.norm(root_a @ root_b.T, "nuc")
    return max(0.0, float(difference @ difference + spread))


def covariance_root(features: np.ndarray) -> np.ndarray:
    """A matrix C (min(n, d), d) with CᵀC the covariance of features (n, d)."""
    centred = features - features.mean(axis=0)
    return np.linalg.qr(centred / np.sqrt(len(features) - 1)).R


def split_frechet(
    sources: np.ndarray, edited: np.ndarray, seed: int = 0, first: np.ndarray | None = None
) -> float:
    """Fréchet distance between one half's sources and the other half's edits, mean of both ways.

    ``sources`` and ``edited`` (n, d) are features of the same n faces, n at least 4.  An edit that changes
    nothing is not rewarded by its likeness to its own source (Jeanneret et al. 2023, "Adversarial
    Counterfactual Visual Explanations", sFID).  ``first`` bool (n,) is one half (default: `half`).
    """
    first = half(len(sources), seed) if first is None else first
    return (frechet(sources[first], edited[~first]) + frechet(sources[~first], edited[first])) / 2


def half(count: int, seed: int = 0) -> np.ndarray:
    """Which of ``count`` faces are in the first half, bool (count,): a function of (seed, count)."""
    return permutation(count, seed, "split frechet") < count // 2
