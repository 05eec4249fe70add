"""Negative guidance: how strongly a sampler leaves the negative identity, and when (AdaptDiff, Method)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from facetory.adaptdiff.spec import Guidance

if TYPE_CHECKING:
    from torch import Tensor


def weight(guidance: Guidance, timestep: float, T: int) -> float:
    """w at a timestep t of 0 … T − 1; samplers that skip timesteps, or stand between two, ask by t itself.

    0 for "none" (IDiff-Face); w_max for "constant" (NegFaceDiff); w_max (1 − t/T) for "linear", which grows
    from w_max/T to w_max as t falls from T − 1 to 0 (AdaptDiff); w_max t/T for "reverse".
    """
    shape = {"none": 0.0, "constant": 1.0, "linear": 1 - timestep / T, "reverse": timestep / T}
    return guidance.w_max * shape[guidance.schedule]


def mean_weight(guidance: Guidance, timesteps: Sequence[float], T: int) -> float:
    """The mean of w over the timesteps that a sampler visits: what a constant control of equal means spends.

    Over all of them "linear" has w_max (T + 1) / 2T, 0.5005 w_max of T = 1000.
    """
    return sum(weight(guidance, t, T) for t in timesteps) / len(timesteps)


def guided(positive: Tensor, negative: Tensor, w: float) -> Tensor:
    """ε̂ = (1 + w) ε(p⁺) − w ε(p⁻), shapes (batch, …) (NegFaceDiff; AdaptDiff, Method)."""
    return (1 + w) * positive - w * negative
