"""The transformer of MulT and TETFN (Tsai et al. 2019): pre-norm, causal, of one modality or across two."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facetory.affectdiff.baselines.layers import View, attend, multiple, view


class Stream(NamedTuple):
    """Rows (B, L, D), which of them were measured (B, L), and what is seen of them, row by row."""

    rows: Tensor
    measured: Tensor
    seen: View

    @classmethod
    def of(cls, rows: Tensor, measured: Tensor) -> Stream:
        """The stream, its rows 0 where nothing was measured, later rows hidden from earlier ones."""
        return cls(rows * measured[..., None], measured, view(measured, causal=True))


class Transformer(nn.Module):
    """A stream attends to another, or to itself, over ``levels`` layers.

    Rows are scaled by √D and get sinusoidal places, counted over the measured rows; those of the other stream
    stay as at level 0.  ``attention`` is the dropout of its weights, ``dropout`` that of rows and of ReLU.
    """

    def __init__(
        self, width: int, heads: int, levels: int, attention: float = 0.0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        multiple(width, heads, "heads")
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Layer(width, heads, attention, dropout) for _ in range(levels))
        self.norm = nn.LayerNorm(width)

    def forward(self, stream: Stream, other: Stream | None = None) -> Tensor:
        """(B, L, D), 0 where nothing was measured."""
        x = self.dropout(placed(stream))
        keys = None if other is None else self.dropout(placed(other))
        for layer in self.layers:
            x = layer(x, x if keys is None else keys, (other or stream).seen)
        return self.norm(x) * stream.measured[..., None]


class Layer(nn.Module):
    """Attention and a feed-forward network four times as wide, each behind a layer norm, with residuals."""

    def __init__(self, width: int, heads: int, attention: float, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, attention, batch_first=True)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)
        for linear in (self.widen, self.narrow):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, queries: Tensor, keys: Tensor, seen: View) -> Tensor:
        """Queries (B, L, D), and what is seen of the keys (B, L, D), to (B, L, D)."""
        attended, fed = self.norms
        x = queries + attend(self.attention, attended(queries), attended(keys), seen)
        return x + self.narrow(self.dropout(self.widen(fed(x)).relu()))


def placed(stream: Stream) -> Tensor:
    """√D times the rows, plus the sinusoids of their places among the measured ones, from 1; 0 elsewhere."""
    rows, measured, _ = stream
    table = sinusoids(rows.shape[1] + 1, rows.shape[2]).to(rows)
    return math.sqrt(rows.shape[2]) * rows + table[measured.cumsum(1)] * measured[..., None]


def sinusoids(length: int, width: int) -> Tensor:
    """Sines then cosines (length, width), wavelengths 2π to 10,000 · 2π; the last column is 0 if odd."""
    half = width // 2
    rates = torch.exp(torch.arange(half) * (-math.log(10_000) / max(half - 1, 1)))
    angles = torch.arange(length)[:, None] * rates
    return F.pad(torch.cat([angles.sin(), angles.cos()], -1), (0, width % 2))
