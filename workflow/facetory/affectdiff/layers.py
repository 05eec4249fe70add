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


SMALL = 2048
"""Weights of a linear layer below which a convolution's own cost outweighs its speed."""


class Linear(nn.Linear):
    """A linear layer of sequences (batch, L, C).

    On a CPU a large one is a convolution of kernel 1 with the channels last, of equal results: oneDNN's is up
    to twice as fast there as the matrix product of MKL, which is slow on other makers' processors.
    """

    def forward(self, input: Tensor) -> Tensor:
        """The sequences (batch, L, outputs)."""
        if input.device.type != "cpu" or input.ndim != 3 or self.weight.numel() <= SMALL:
            return super().forward(input)
        pixels = input[:, :, None].permute(0, 3, 1, 2)
        return F.conv2d(pixels, self.weight[:, :, None, None], self.bias).permute(0, 2, 3, 1)[:, :, 0]


class Dropout(nn.Dropout):
    """Dropout whose draws are `dropout`'s."""

    def forward(self, input: Tensor) -> Tensor:
        """The values, in training a share of them zero and the others larger."""
        return dropout(input, self.p) if self.training else input


def dropout(values: Tensor, rate: float) -> Tensor:
    """Values, zero with probability ``rate``, else divided by 1 − rate, by torch's generator.

    On a CPU one draw of 64 bits decides four values, so that the rate is met to 2⁻¹⁶: a draw a value, as
    torch does it, takes longer than the layers around it.
    """
    if rate == 0 or values.device.type != "cpu":
        return F.dropout(values, rate)
    bits = torch.empty(-(-values.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    words = bits.view(torch.int16)[: values.numel()].view(values.shape)
    kept = words >= round(rate * 2**16) - 2**15
    return values * kept.to(values.dtype).mul_(1 / (1 - rate))


def attention(query: Tensor, key: Tensor, value: Tensor, keys: Tensor | None, rate: float) -> Tensor:
    """Scaled dot-product attention (batch, heads, n, width) to ``keys``, bool (batch, n); weights dropped."""
    allowed = None if keys is None else keys[:, None, None]
    if rate == 0 or query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value, allowed, rate)
    scores = query / math.sqrt(query.shape[-1]) @ key.transpose(-1, -2)
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -math.inf)
    return dropout(scores.softmax(-1), rate) @ value


class TransformerLayer(nn.Module):
    """A pre-norm Transformer layer with GELU: torch's ``TransformerEncoderLayer``, of as many parameters."""

    def __init__(self, width: int, heads: int, rate: float, ratio: int = 4) -> None:
        super().__init__()
        self.heads, self.rate = heads, rate
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = Linear(width, 3 * width)
        self.out = Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            Linear(width, ratio * width), nn.GELU(), Dropout(rate), Linear(ratio * width, width)
        )
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, tokens: Tensor, keys: Tensor | None = None) -> Tensor:
        """Tokens (batch, n, width); only where ``keys``, bool (batch, n), are tokens attended to."""
        rate = self.rate if self.training else 0.0
        packed = self.qkv(self.attention_norm(tokens)).unflatten(-1, (3, self.heads, -1))
        query, key, value = packed.permute(2, 0, 3, 1, 4)
        mixed = attention(query, key, value, keys, rate)
        tokens = tokens + dropout(self.out(mixed.transpose(1, 2).flatten(2)), rate)
        return tokens + dropout(self.mlp(self.norm(tokens)), rate)
