"""MISA (Hazarika et al. 2020): what modalities share, aligned, and what each has to itself, kept apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facetory.affectdiff.baselines.layers import (
    Network,
    Streams,
    multiple,
    presence,
)
from facetory.affectdiff.baselines.lite.misa import PAIRS, Subspaces
from facetory.affectdiff.baselines.objectives import (
    central_moment_discrepancy,
    row_mean,
    squared_correlation,
)
from facetory.affectdiff.baselines.recurrent import Recurrent


class MISA(Network):
    """After the paper, sizes and weights for MOSEI from MMSA: .8 CMD + .3 difference + 1 reconstruction.

    Two bidirectional LSTMs as wide as the stream (``recurrent`` replaces that) with a layer norm between;
    GloVe words are read like the other streams (the authors' variant without BERT).
    """

    def __init__(
        self,
        dims: tuple[int, int, int],
        classes: int,
        masks: bool = False,
        *,
        hidden: int = 128,
        heads: int = 2,
        feed_forward: int = 2048,
        recurrent: int | None = None,
    ) -> None:
        super().__init__(masks)
        multiple(hidden, heads, "heads")
        self.encoders = nn.ModuleList(Utterance(width, recurrent or width, hidden) for width in dims)
        self.private = nn.ModuleList(nn.Sequential(nn.Linear(hidden, hidden), nn.Sigmoid()) for _ in dims)
        self.shared = nn.Sequential(nn.Linear(hidden, hidden), nn.Sigmoid())
        self.reconstruct = nn.ModuleList(nn.Linear(hidden, hidden) for _ in dims)
        self.fusion = nn.TransformerEncoderLayer(hidden, heads, feed_forward, batch_first=True)
        self.classifier = nn.Sequential(
            nn.Linear(6 * hidden, 3 * hidden), nn.Dropout(0.5), nn.ReLU(), nn.Linear(3 * hidden, classes)
        )

    def represent(self, streams: Streams, measured: Streams) -> tuple[Subspaces, Tensor]:
        """Both subspaces, and the utterances (B, 3, hidden) that they come from; 0 where one is missing."""
        present = presence(measured)
        there = present[..., None]
        utterances = torch.stack(
            [encode(rows, kept) for encode, rows, kept in zip(self.encoders, streams, measured, strict=True)],
            1,
        )
        private = torch.stack([layer(utterances[:, m]) for m, layer in enumerate(self.private)], 1)
        return Subspaces(self.shared(utterances) * there, private * there, present), utterances * there

    def classify(self, representation: tuple[Subspaces, Tensor]) -> Tensor:
        """Logits (B, K) from the six vectors, each attending to all that are there."""
        (shared, private, present), _ = representation
        there = present.repeat(1, 2)
        hidden = ~there & there.any(1, keepdim=True)
        six = self.fusion(torch.cat([private, shared], 1), src_key_padding_mask=hidden)
        return self.classifier((six * there[..., None]).flatten(1))

    def losses(self, representation: tuple[Subspaces, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Similarity, difference (each private to its shared and to other private ones), reconstruction."""
        (shared, private, present), utterances = representation
        pairs = [(i, j, present[:, i], present[:, j]) for i, j in PAIRS]
        similarity = torch.stack(
            [central_moment_discrepancy(shared[:, i], shared[:, j], x, y) for i, j, x, y in pairs]
        ).mean()
        own = [squared_correlation(private[:, m], shared[:, m], present[:, m]) for m in range(3)]
        other = [squared_correlation(private[:, i], private[:, j], x & y) for i, j, x, y in pairs]
        difference = torch.stack(own + other).sum()
        errors = [
            row_mean((layer(private[:, m] + shared[:, m]) - utterances[:, m]).square(), present[:, m]).mean()
            for m, layer in enumerate(self.reconstruct)
        ]
        reconstruction = torch.stack(errors).mean()
        return 0.8 * similarity + 0.3 * difference + reconstruction, {
            "similarity": similarity,
            "difference": difference,
            "reconstruction": reconstruction,
        }


class Utterance(nn.Module):
    """Final states of two bidirectional LSTMs, projected: linear, ReLU, layer norm."""

    def __init__(self, width: int, recurrent: int, hidden: int) -> None:
        super().__init__()
        self.first = Recurrent(width, recurrent, both_ways=True)
        self.norm = nn.LayerNorm(2 * recurrent)
        self.second = Recurrent(2 * recurrent, recurrent, both_ways=True)
        self.projection = nn.Sequential(nn.Linear(4 * recurrent, hidden), nn.ReLU(), nn.LayerNorm(hidden))

    def forward(self, rows: Tensor, measured: Tensor) -> Tensor:
        """Rows (B, L, D), the measured ones alone, to (B, hidden)."""
        states, first = self.first(rows, measured)
        _, second = self.second(self.norm(states), measured)
        return self.projection(torch.cat([first, second], 1))
