"""Resampling: ancestors drawn so that particle j expects N·w_j children, under four schemes.

Each takes weights (B, N), normalised over N, and uniform draws in (0, 1); ancestors are int64 (B, N).
Multinomial counts vary most; systematic ones are ⌊N·w_j⌋ or ⌈N·w_j⌉, residual ones at least ⌊N·w_j⌋ (Douc,
Cappé & Moulines, "Comparison of resampling schemes for particle filtering", 2005).
"""

from __future__ import annotations

import torch
from torch import Tensor


def multinomial(weights: Tensor, uniforms: Tensor) -> Tensor:
    """Independent draws, one for each of uniforms (B, M): ancestors (B, M) (Gordon, Salmond & Smith 1993)."""
    return inverse_cdf(weights, uniforms)


def stratified(weights: Tensor, uniforms: Tensor) -> Tensor:
    """One draw in each N-th of (0, 1) (Kitagawa 1996); uniforms (B, N)."""
    return inverse_cdf(weights, (_slots(weights) + uniforms) / weights.shape[1])


def systematic(weights: Tensor, uniforms: Tensor) -> Tensor:
    """One draw at the same place of each N-th (Carpenter, Clifford & Fearnhead 1999); uniforms (B, 1 or N),
    of which the first is used."""
    return stratified(weights, uniforms[:, :1])


def residual(weights: Tensor, uniforms: Tensor) -> Tensor:
    """⌊N·w_j⌋ children each, then independent draws by the remainders (Liu & Chen 1998); uniforms (B, N)."""
    expected, slots = weights * weights.shape[1], _slots(weights)
    sure = expected.floor()
    count = sure.sum(1, keepdim=True)
    children = inverse_cdf(sure, (slots + 0.5) / count.clamp(min=1))
    return torch.where(slots < count, children, inverse_cdf(expected - sure, uniforms))


SCHEMES = {
    "multinomial": multinomial,
    "stratified": stratified,
    "systematic": systematic,
    "residual": residual,
}


def inverse_cdf(weights: Tensor, points: Tensor) -> Tensor:
    """The first index at which the running sum of weights (B, N) exceeds that part of it, int64 (B, M).

    points (B, M) in [0, 1).  Monotone in the points; an index of weight 0 is never returned, rounding or
    not, where any weight is positive.  Summed on the CPU, where sums are made in order.
    """
    device, weights, points = weights.device, weights.double().cpu(), points.double().cpu()
    sums = weights.cumsum(1)
    found = torch.searchsorted(sums, points * sums[:, -1:], right=True)
    last = weights.shape[1] - 1 - (weights > 0).flip(1).int().argmax(1, keepdim=True)
    return found.minimum(last).to(device)


def _slots(weights: Tensor) -> Tensor:
    return torch.arange(weights.shape[1], dtype=weights.dtype, device=weights.device)
