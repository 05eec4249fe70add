"""Potentials G_k: what a particle's weight is multiplied by at its k-th scoring, as logarithms.

The product of the potentials along a particle's ancestry is how far its final image is tilted.  Singhal et
al. 2025 (Section 3.2; λ is γ here, r = log s) choose them so that it is s^γ of that image; Algorithm 1's own
"absolute" potential multiplies by s^γ of every image on the way as well.
"""

from __future__ import annotations

import torch
from torch import Tensor

FLOOR = -1e6
"""The log of a score of zero, finite so that a difference of two of them is 0."""


def log_potentials(scores: Tensor, potential: str, scale: float) -> Tensor:
    """log G_1 … log G_k, of the shape of log-scores (…, k) along one ancestry.

    absolute: γ r_k; difference: γ (r_k − r_{k−1}), r_0 = 0; max: γ max_{j≤k} r_j; sum: γ Σ_{j≤k} r_j.
    """
    r = scores.clamp(min=FLOOR)
    if potential == "difference":
        r = r.diff(dim=-1, prepend=torch.zeros_like(r[..., :1]))
    elif potential == "max":
        r = r.cummax(-1).values
    elif potential == "sum":
        r = r.cumsum(-1)
    elif potential != "absolute":
        raise ValueError(f"potential {potential!r}: 'absolute', 'difference', 'max' or 'sum'")
    return scale * r


def log_potential(scores: Tensor, potential: str, scale: float, telescopes: bool = False) -> Tensor:
    """log G_k of log-scores (…, k) along one ancestry, shape (…,).

    ``telescopes``: G_k = s_k^γ / Π_{j<k} G_j instead, for the last scoring, that of the final image.
    """
    found = log_potentials(scores, potential, scale)
    if not telescopes:
        return found[..., -1]
    return scale * scores[..., -1].clamp(min=FLOOR) - found[..., :-1].sum(-1)
