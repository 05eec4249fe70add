"""Multimodal Transformer (Tsai et al. 2019): every modality attends to both others."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facetory.affectdiff.baselines.layers import Network, Streams, View, attend, head, mean, multiple, view

DIRECTIONS = ((0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1))
"""(Query, key) modalities."""


class MulT(Network):
    """As released: one attention layer a direction, their outputs joined row by row, mean over time."""

    def __init__(
        self,
        dims: tuple[int, int, int],
        classes: int,
        masks: bool = False,
        *,
        hidden: int = 128,
        heads: int = 4,
    ) -> None:
        super().__init__(masks)
        multiple(hidden, heads, "heads")
        self.projections = nn.ModuleList(nn.Linear(width, hidden) for width in dims)
        self.attentions = nn.ModuleList(CrossAttention(hidden, heads) for _ in DIRECTIONS)
        self.fusion = nn.Sequential(
            nn.Linear(6 * hidden, hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Dropout(0.3)
        )
        self.classifier = head(hidden, hidden // 2, classes, 0.3)

    def represent(self, streams: Streams, measured: Streams) -> Tensor:
        """The mean (B, hidden) over rows that any modality measured."""
        x = [projection(rows) for projection, rows in zip(self.projections, streams, strict=True)]
        seen = [view(rows) for rows in measured]
        found = [
            attention(x[q], x[k], seen[k]) * measured[q][..., None]
            for attention, (q, k) in zip(self.attentions, DIRECTIONS, strict=True)
        ]
        return mean(self.fusion(torch.cat(found, -1)), torch.stack(measured).any(0))

    def classify(self, representation: Tensor) -> Tensor:
        """Logits (B, K)."""
        return self.classifier(representation)


class CrossAttention(nn.Module):
    """One modality (B, L, D) attending to another: projections, attention, residual and layer norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, width)
        self.attention = nn.MultiheadAttention(width, heads, 0.3, batch_first=True)
        self.norm = nn.LayerNorm(width)

    def forward(self, queries: Tensor, keys: Tensor, seen: View) -> Tensor:
        """The queries (B, L, D) with what they found among the keys that are seen."""
        found = attend(self.attention, self.query(queries), self.key_value(keys), seen)
        return self.norm(queries + found)
