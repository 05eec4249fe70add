"""What the UNet is built of: residual blocks told the time, changes of resolution, the time's embedding."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import nn

from facetory.adaptdiff.attention import IdentityAttention, zeroed

if TYPE_CHECKING:
    from torch import Tensor

    from facetory.adaptdiff.architectures import Architecture

MAX_PERIOD = 10_000


class TimeEmbedding(nn.Module):
    """Timesteps (batch,) as vectors (batch, 4 · size)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.lin1 = nn.Linear(size, 4 * size)
        self.act = nn.SiLU()
        self.lin2 = nn.Linear(4 * size, 4 * size)

    def forward(self, timestep: Tensor) -> Tensor:
        """The embedding of timesteps."""
        return self.lin2(self.act(self.lin1(sinusoids(timestep, self.size))))


def sinusoids(timestep: Tensor, size: int) -> Tensor:
    """cos and then sin of t · 10000^(-i / (size / 2)), float32 (batch, size); timesteps (batch,)."""
    half = size // 2
    index = torch.arange(half, dtype=torch.float32, device=timestep.device)
    angles = timestep[:, None].float() * torch.exp(-math.log(MAX_PERIOD) * index / half)
    return torch.cat((angles.cos(), angles.sin()), dim=1)


class AdaptiveNorm(nn.Module):
    """(1 + scale) · GroupNorm(x) + shift."""

    def __init__(self, groups: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)

    def forward(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """x (batch, C, h, w), scale and shift (batch, C)."""
        return (1 + scale[..., None, None]) * self.norm(x) + shift[..., None, None]


class Residual(nn.Module):
    """Two convolutions, told the time between them."""

    def __init__(self, sizes: Architecture, channels: int, out: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(sizes.groups, channels)
        self.act1 = nn.SiLU()
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1)
        self.time_emb = nn.Sequential(nn.SiLU(), nn.Linear(4 * sizes.initial_channels, out))
        self.scale_emb = nn.Linear(out, out)
        self.shift_emb = nn.Linear(out, out)
        self.norm2 = AdaptiveNorm(sizes.groups, out)
        self.act2 = nn.SiLU()
        self.conv2 = zeroed(nn.Conv2d(out, out, 3, padding=1))
        self.shortcut = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """(batch, out, h, w) from x (batch, channels, h, w)."""
        time = self.time_emb(time)
        inner = self.conv1(self.act1(self.norm1(x)))
        inner = self.norm2(inner, self.scale_emb(time), self.shift_emb(time))
        return self.shortcut(x) + self.conv2(self.act2(inner))


class Block(nn.Module):
    """A residual block, and an attention where the level has one."""

    def __init__(self, sizes: Architecture, channels: int, out: int, attends: bool) -> None:
        super().__init__()
        self.res = Residual(sizes, channels, out)
        self.attn = IdentityAttention(sizes, out) if attends else None

    def forward(self, x: Tensor, time: Tensor, told: Iterator[tuple[Tensor, Tensor]]) -> Tensor:
        """(batch, out, h, w); takes its keys and values from ``told``."""
        x = self.res(x, time)
        return x if self.attn is None else self.attn(x, *next(told))


class Middle(nn.Module):
    """The narrowest place: two residual blocks around an attention."""

    def __init__(self, sizes: Architecture, channels: int) -> None:
        super().__init__()
        self.res1 = Residual(sizes, channels, channels)
        self.attn = IdentityAttention(sizes, channels)
        self.res2 = Residual(sizes, channels, channels)

    def forward(self, x: Tensor, time: Tensor, told: Iterator[tuple[Tensor, Tensor]]) -> Tensor:
        """Of x's shape."""
        return self.res2(self.attn(self.res1(x, time), *next(told)), time)


class Halved(nn.Module):
    """A convolution of stride 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, time: Tensor, told: Iterator[tuple[Tensor, Tensor]]) -> Tensor:
        """(batch, C, h / 2, w / 2)."""
        return self.conv(x)


class Doubled(nn.Module):
    """A transposed convolution of stride 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1)

    def forward(self, x: Tensor, time: Tensor, told: Iterator[tuple[Tensor, Tensor]]) -> Tensor:
        """(batch, C, 2 h, 2 w)."""
        return self.conv(x)
