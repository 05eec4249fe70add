"""Perceptual distance between pictures by the layers of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor


def distance(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    """Distance (n,) of two batches by their maps in several layers, each (n, c, h, w).

    Channels are scaled to a unit vector at every place; the squared differences are summed over channels,
    averaged over places, summed over layers (Zhang et al. 2018, "The Unreasonable Effectiveness of Deep
    Features as a Perceptual Metric", Eq. 1 with every weight 1: LPIPS without its learnt weights).
    """
    pairs = ((F.normalize(x, dim=1), F.normalize(y, dim=1)) for x, y in zip(a, b, strict=True))
    return sum((x - y).square().sum(1).mean((1, 2)) for x, y in pairs)  # type: ignore[return-value]
