"""Layers that Affect-Diff's encoders and U-Net share; each takes a mask of measured positions, or None.

Under a mask nothing that lies outside of it reaches what lies inside: attention has no such keys,
normalisation no such values, and convolutions read zeros there, as beyond the sequence's ends.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """Encodings (n, width) of positions or timesteps (n,): all sines, then all cosines.

    The frequencies are 10000^(−2i / width) (Vaswani et al. 2017, Section 3.5).
    """
    scale = -math.log(10000) / (width // 2)
    frequencies = torch.exp(scale * torch.arange(width // 2, device=positions.device))
    angles = positions[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], -1)


def masked(values: Tensor, mask: Tensor | None) -> Tensor:
    """Values, zero where the mask (of 0 and 1, broadcast) is 0."""
    return values if mask is None else values * mask


class GroupNorm(nn.GroupNorm):
    """Group normalisation of channels (batch, C, L), with statistics over the measured positions alone."""

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:
        """The normalised channels, zero outside of the mask (batch, 1, L)."""
        if mask is None:
            return super().forward(input)
        groups, inside = input.unflatten(1, (self.num_groups, -1)), mask[:, None]
        count = (inside.sum((2, 3), keepdim=True) * groups.shape[2]).clamp(min=1)
        centred = (groups - (groups * inside).sum((2, 3), keepdim=True) / count) * inside
        variance = centred.square().sum((2, 3), keepdim=True) / count
        normal = (centred * (variance + self.eps).rsqrt()).flatten(1, 2)
        return torch.addcmul(self.bias[:, None], normal, self.weight[:, None]) * mask


class TransformerLayer(nn.Module):
    """A pre-norm Transformer layer with GELU: torch's ``TransformerEncoderLayer``, of as many parameters."""

    def __init__(self, width: int, heads: int, dropout: float, ratio: int = 4) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, ratio * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(ratio * width, width)
        )
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, tokens: Tensor, keys: Tensor | None = None) -> Tensor:
        """Tokens (batch, n, width); only where ``keys``, bool (batch, n), are tokens attended to."""
        rate = self.dropout if self.training else 0.0
        tokens = tokens + F.dropout(self.attend(self.attention_norm(tokens), keys, rate), rate)
        return tokens + F.dropout(self.mlp(self.norm(tokens)), rate)

    def attend(self, tokens: Tensor, keys: Tensor | None, rate: float) -> Tensor:
        """Multi-head self-attention, with dropout of its weights."""
        query, key, value = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        allowed = None if keys is None else keys[:, None, None]
        mixed = F.scaled_dot_product_attention(query, key, value, allowed, rate)
        return self.out(mixed.transpose(1, 2).flatten(2))
