"""From errors to probabilities: p(c|x) ∝ exp(−β · error), and the β that fits labelled images best.

The paper decides by the least error and gives probabilities no scale.  Taken as a likelihood, the error is
the squared norm, ‖ε_θ − ε‖² summed over the latent's d elements, so that β = d on the element mean (Li et
al., "Your diffusion model is secretly a zero-shot classifier", ICCV 2023).  A discrepancy-trained model is no
likelihood any more: there β is fitted by maximum likelihood (temperature scaling: Guo et al., ICML 2017).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def decided(errors: np.ndarray) -> np.ndarray:
    """The class with the least mean error of each sample, (n,) int64, of errors (n, T, K) (EmoDC, Eq. 8)."""
    return errors.mean(axis=1, dtype=np.float64).argmin(axis=1)


def gaps(errors: np.ndarray, winners: np.ndarray) -> np.ndarray:
    """Mean error of each class less that of the winner (n,), (n, K), at least 0.

    ``errors`` (n, T, K) are NaN where a class was not looked at (racing): it is compared with the winner on
    the timesteps that both saw.
    """
    best = np.take_along_axis(errors, winners[:, None, None], axis=2)
    return np.nanmean(errors - best, axis=1, dtype=np.float64).clip(min=0)


def probabilities(errors: np.ndarray, winners: np.ndarray, beta: float) -> np.ndarray:
    """p(c|x) ∝ exp(−β · mean error), float64 (n, K), rows sum to one; arguments as in `gaps`."""
    return np.exp(_log_softmax(-beta * gaps(errors, winners)))


def fit_beta(gaps: np.ndarray, labels: np.ndarray) -> float:
    """The β ≥ 0 of greatest likelihood for `gaps` (n, K) and labels (n,) int64.

    Labels are smoothed by 1 / (n + 2) (Platt, 1999), so that β stays finite where every image is right.  The
    negative log-likelihood is convex in β.
    """
    from scipy.optimize import minimize_scalar

    n, classes = gaps.shape
    smoothing = 1 / (n + 2)
    targets = (1 - smoothing) * np.eye(classes)[labels] + smoothing / classes
    scale = gaps.std()
    if scale == 0:
        return 0.0

    def loss(scaled: float) -> float:
        return float(-(targets * _log_softmax(-scaled / scale * gaps)).sum(axis=1).mean())

    found = minimize_scalar(loss, bounds=(0.0, 1e4), method="bounded", options={"xatol": 1e-6})
    return float(found.x / scale) if loss(found.x) < loss(0.0) else 0.0


def log_loss(gaps: np.ndarray, labels: np.ndarray, beta: float) -> np.ndarray:
    """−log p(label|x) of each sample in nats, float64 (n,); ln K is that of a guess."""
    return -_log_softmax(-beta * gaps)[np.arange(len(labels)), labels]


def held_out_log_loss(gaps: np.ndarray, labels: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """`log_loss` of each sample under the β fitted on the other half of the groups (people), (n,).

    The halves alternate in the groups' sorted order; with one group there is no other half, and it is NaN.
    """
    _, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    half = member % 2
    losses = np.full(len(labels), np.nan)
    for part in (0, 1):
        here, other = half == part, half != part
        if here.any() and other.any():
            beta = fit_beta(gaps[other], labels[other])
            losses[here] = log_loss(gaps[here], labels[here], beta)
    return losses


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
