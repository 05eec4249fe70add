"""Predicting the rest of a sum: how two classes compare over all timesteps, from those evaluated so far.

Errors e(c) (N,) of a sample's classes share timesteps and noise, so classes are compared by the paired
differences δ = e(c) − e(b).  They are modelled as multivariate t: δ ~ t_ν(0, 2C), C (N, N) in the order of
evaluation, ν degrees of freedom because samples differ in scale.  With the Cholesky factor C = LLᵀ a
difference is a sum of innovations, δ = Lx, and its mean over the N timesteps is aᵀx with a = Lᵀ1/N.  The
first k timesteps tell x_1 … x_k, so after them

    E[mean δ] = Σ_{j≤k} a_j x_j,    Var = 2 Σ_{j>k} a_j² · (ν + ½ Σ_{j≤k} x_j²) / (ν + k)

(Kotz & Nadarajah, Multivariate t Distributions, 2004, Section 1.11).  For exchangeable
timesteps, C = σ²I + τ²11ᵀ with τ → ∞, and ν = −1 this is the classical paired t test with the
finite-population correction, mean ± √(s²/k · (1 − k/N)) (Cochran, Sampling Techniques, 1977, Section 2.6).  A
C learnt from other people also knows which timesteps carry the differences and which repeat each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

TINY = 1e-200
FREEDOM = 5.0


class Remainder(NamedTuple):
    """order: (N,) int64, positions of the timesteps in the order of evaluation; whitening: (N, N) float64,
    L⁻¹ in that order; loadings: (N,) float64, a; freedom: ν."""

    order: np.ndarray
    whitening: np.ndarray
    loadings: np.ndarray
    freedom: float


def learnt(errors: np.ndarray) -> Remainder:
    """The model of complete errors (m, N, K) of other people.

    C is the second moment of errors centred over the classes, each sample brought to the median scale, and
    shrunk as Ledoit & Wolf (2004) with every timestep at unit variance; the order is `informative`.
    """
    from sklearn.covariance import ledoit_wolf

    centred = errors - errors.mean(axis=2, keepdims=True, dtype=np.float64)
    scale = np.maximum(np.sqrt((centred**2).mean(axis=(0, 2))), np.sqrt(TINY))
    standard = centred / scale[:, None]
    of_sample = np.maximum(np.sqrt((standard**2).mean(axis=(1, 2))), np.sqrt(TINY))
    standard *= (np.median(of_sample) / of_sample)[:, None, None]
    correlation, _ = ledoit_wolf(standard.transpose(0, 2, 1).reshape(-1, len(scale)), assume_centered=True)
    covariance = correlation * np.outer(scale, scale) * errors.shape[2] / (errors.shape[2] - 1)
    return remainder(covariance, informative(covariance), FREEDOM)


def exchangeable(count: int) -> Remainder:
    """The classical paired t test with finite-population correction, in `bit_reversed` order.

    Its unit is so small that beside real errors ν's own part of the scale vanishes.
    """
    return remainder(1e-30 * (np.eye(count) + 1e6), bit_reversed(count), -1.0)


def remainder(covariance: np.ndarray, order: np.ndarray, freedom: float) -> Remainder:
    """The model of a covariance C (N, N), given for timesteps in their natural order."""
    factor = np.linalg.cholesky(covariance[np.ix_(order, order)])
    return Remainder(order, np.linalg.inv(factor), factor.mean(axis=0), freedom)


def behind(model: Remainder, errors: np.ndarray) -> np.ndarray:
    """How surely each class has a larger full mean than some other: (n, K), the largest t statistic.

    errors: (n, k, K) of the first k < N timesteps in the model's order, NaN for classes that are left out.
    The leader, and no other class, has 0.
    """
    k = errors.shape[1]
    x = np.einsum("jt,ntc->ncj", model.whitening[:k, :k], errors)
    mean, inner = x @ model.loadings[:k], x @ x.transpose(0, 2, 1)
    square = np.einsum("ncc->nc", inner)
    distance = square[:, :, None] + square[:, None, :] - 2 * inner
    scale = (model.freedom + distance / 2).clip(min=0) / (model.freedom + k)
    error = np.sqrt(2 * (model.loadings[k:] ** 2).sum() * scale)
    return np.fmax.reduce((mean[:, :, None] - mean[:, None, :]) / np.maximum(error, TINY), axis=2)


def bit_reversed(count: int) -> np.ndarray:
    """range(count) by reversed binary digits, (count,) int64: 8 gives 0 4 2 6 1 5 3 7 (van der Corput)."""
    bits = max(1, (count - 1).bit_length())
    reverse = [int(f"{i:0{bits}b}"[::-1], 2) for i in range(2**bits)]
    return np.array([i for i in reverse if i < count], dtype=np.int64)


def informative(covariance: np.ndarray) -> np.ndarray:
    """Timesteps in the order that soonest tells their sum: each next one leaves it the least variance.

    A timestep near an evaluated one adds little, so the range is covered early; where several promise the
    same, the first of `bit_reversed` is taken.
    """
    left = list(bit_reversed(len(covariance)))
    rest, order = covariance.astype(float), []
    while left:
        gain = rest[left].sum(axis=1) ** 2 / np.maximum(rest[left, left], TINY)
        chosen = left.pop(int(np.argmax(gain >= (1 - 1e-9) * gain.max())))
        order.append(chosen)
        rest = rest - np.outer(rest[chosen], rest[chosen]) / max(rest[chosen, chosen], TINY)
    return np.array(order, dtype=np.int64)
