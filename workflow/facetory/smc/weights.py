"""Importance weights, kept as logarithms: a score of 1e-4000 is a number like any other."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def normalised(log_weights: Tensor) -> Tensor:
    """Log-weights (B, N) less their logsumexp, so that the weights of each row sum to 1; never NaN.

    NaN and +∞ (a particle that diverged) count as weight 0.  Where every weight is 0 nothing tells the
    particles apart, and the weights are uniform over those that did not diverge, or over all: the trace then
    shows scores of −∞ or NaN beside an effective sample size of that many.
    """
    diverged = ~(log_weights < math.inf)
    found = log_weights.masked_fill(diverged, -math.inf)
    uniform = torch.where(diverged & ~diverged.all(1, keepdim=True), -math.inf, 0.0).to(found.dtype)
    return torch.where((found == -math.inf).all(1, keepdim=True), uniform, found).log_softmax(1)


def effective_sample_size(log_weights: Tensor) -> Tensor:
    """1 / Σ_j w_j² of normalised log-weights (B, N), shape (B,), in 1 … N (Kong, Liu & Wong 1994)."""
    return (-(2 * log_weights).logsumexp(1)).exp()
