"""The transformer of MulT and TETFN (Tsai et al. 2019): pre-norm, causal, of one modality or across two."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facetory.affectdiff.baselines.layers import attend, multiple


class Transformer(nn.Module):
    """Queries (B, Lq, D) attend to keys (B, Lk, D), or to themselves, over ``levels`` layers.

    Rows are scaled by √D and get sinusoidal positions, counted over the measured rows; the keys stay those
    of level 0.  ``attention`` is the dropout of its weights, ``dropout`` that of the input and after ReLU.
    """

    def __init__(
        self, width: int, heads: int, levels: int, attention: float = 0.0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        multiple(width, heads, "heads")
        self.dropout = dropout
        self.layers = nn.ModuleList(Layer(width, heads, attention, dropout) for _ in range(levels))
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        queries: Tensor,
        measured: Tensor,
        keys: Tensor | None = None,
        keys_measured: Tensor | None = None,
    ) -> Tensor:
        """(B, Lq, D), 0 where the query was not measured."""
        x = self._embedded(queries, measured)
        across = None if keys is None or keys_measured is None else self._embedded(keys, keys_measured)
        seen = measured if keys_measured is None else keys_measured
        for layer in self.layers:
            x = layer(x, x if across is None else across, seen)
        return self.norm(x) * measured[..., None]

    def _embedded(self, rows: Tensor, measured: Tensor) -> Tensor:
        width = rows.shape[-1]
        placed = math.sqrt(width) * rows + positions(measured.cumsum(1), width)
        return F.dropout(placed * measured[..., None], self.dropout, self.training)


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

    def forward(self, queries: Tensor, keys: Tensor, measured: Tensor) -> Tensor:
        """Queries and keys (B, L, D), the keys' measured rows (B, L), to (B, Lq, D)."""
        attended, fed = self.norms
        x = queries + attend(self.attention, attended(queries), attended(keys), measured, causal=True)
        return x + self.narrow(self.dropout(self.widen(fed(x)).relu()))


def positions(places: Tensor, width: int) -> Tensor:
    """Sines then cosines (…, width) of places (…), wavelengths 2π to 10,000 · 2π; the last is 0 if odd."""
    half = width // 2
    rates = torch.exp(torch.arange(half, device=places.device) * (-math.log(10_000) / max(half - 1, 1)))
    angles = places[..., None] * rates
    return F.pad(torch.cat([angles.sin(), angles.cos()], -1), (0, width % 2))
