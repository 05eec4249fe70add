"""Layers that the comparators share, with their authors' names for parameters."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


def mlp(width: int, ratio: int) -> nn.Sequential:
    """Two linear layers around a GELU, ``ratio`` times as wide between them."""
    return nn.Sequential(
        OrderedDict(fc1=nn.Linear(width, ratio * width), act=nn.GELU(), fc2=nn.Linear(ratio * width, width))
    )


def head(width: int, classes: int) -> nn.Sequential:
    """Features (batch, width) to logits (batch, classes)."""
    return nn.Sequential(OrderedDict(linear=nn.Linear(width, classes)))


def attention(
    queries: Tensor, keys: Tensor, values: Tensor, heads: int, bias: Tensor | None = None
) -> Tensor:
    """Multi-head attention of tokens (batch, n, width); ``bias`` (heads, n, n) is added to the scores."""
    q, k, v = (tokens.unflatten(-1, (heads, -1)).transpose(1, 2) for tokens in (queries, keys, values))
    return F.scaled_dot_product_attention(q, k, v, bias).transpose(1, 2).flatten(2)


class Gate(nn.Module):
    """Features (batch, width) times a squeeze-and-excitation gate of their own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, width)
        self.linear2 = nn.Linear(width, width)

    def forward(self, features: Tensor) -> Tensor:
        """The gated features."""
        return features * self.linear2(self.linear1(features).relu()).sigmoid()


class DropPath(nn.Module):
    """Stochastic depth: in training, drops a branch for a ``rate`` of the samples and scales the rest."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        """The branch (batch, …), zero for dropped samples."""
        if not self.training or self.rate == 0:
            return branch
        kept = torch.empty(len(branch), *(1,) * (branch.ndim - 1), device=branch.device)
        return branch * kept.bernoulli_(1 - self.rate) / (1 - self.rate)
