"""Attention of image tokens to one another and to an identity (IDiff-Face; Boutros et al. 2023)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

    from facetory.adaptdiff.architectures import Architecture


class Attention(nn.Module):
    """Multi-head attention of sequences (batch, channels, length)."""

    def __init__(self, channels: int, told_channels: int, head_channels: int) -> None:
        super().__init__()
        self.head_channels = head_channels
        self.to_q = nn.Conv1d(channels, channels, 1)
        self.to_k = nn.Conv1d(told_channels, channels, 1)
        self.to_v = nn.Conv1d(told_channels, channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def keys_and_values(self, told: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values, each (batch, heads, length, head channels), of told (batch, channels, length)."""
        return self._heads(self.to_k(told)), self._heads(self.to_v(told))

    def forward(self, x: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """What the tokens of x (batch, channels, length) read at the keys; of x's shape."""
        read = F.scaled_dot_product_attention(self._heads(self.to_q(x)), keys, values)
        return self.proj_out(read.transpose(2, 3).flatten(1, 2))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (-1, self.head_channels)).transpose(2, 3)


class IdentityAttention(nn.Module):
    """Self-attention, attention to the tokens of the context, and a feed-forward network, on a residual path.

    The three share one normalisation of their input, as in the released model.
    """

    def __init__(self, sizes: Architecture, channels: int) -> None:
        super().__init__()
        self.context_channels = sizes.context_channels
        self.x_proj_in = nn.Conv2d(channels, channels, 1)
        self.x_proj_out = zeroed(nn.Conv2d(channels, channels, 1))
        self.self_attention = Attention(channels, channels, sizes.head_channels)
        self.c_proj_in = nn.Linear(sizes.context_channels, sizes.context_channels * sizes.context_tokens)
        self.cross_attention = Attention(channels, sizes.context_channels, sizes.head_channels)
        self.x_norm = nn.GroupNorm(sizes.groups, channels)
        self.c_norm = nn.GroupNorm(sizes.groups, sizes.context_channels)
        self.ff = nn.Sequential(
            nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels)
        )

    def project(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the tokens of contexts (batch, context channels)."""
        tokens = self.c_proj_in(context).unflatten(1, (self.context_channels, -1))
        return self.cross_attention.keys_and_values(self.c_norm(tokens))

    def forward(self, x: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """x (batch, channels, h, w), told of the identity by its keys and values; of x's shape."""
        inner = self.x_proj_in(x).flatten(2)
        normed = self.x_norm(inner)
        inner = inner + self.self_attention(normed, *self.self_attention.keys_and_values(normed))
        inner = inner + self.cross_attention(self.x_norm(inner), keys, values)
        inner = inner + self.ff(self.x_norm(inner).transpose(1, 2)).transpose(1, 2)
        return x + self.x_proj_out(inner.unflatten(2, x.shape[2:]))


def zeroed(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer with all weights zero: its residual block starts as the identity."""
    for weight in layer.parameters():
        nn.init.zeros_(weight)
    return layer
