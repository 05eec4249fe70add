"""MISA (Hazarika et al. 2020): what modalities share, aligned, and what each has to itself, kept apart."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from facetory.affectdiff.baselines.layers import (
    Network,
    Streams,
    encoder,
    head,
    mean,
    presence,
)
from facetory.affectdiff.baselines.objectives import (
    moment_errors,
    squared_overlap,
)

PAIRS = ((0, 1), (0, 2), (1, 2))


class Subspaces(NamedTuple):
    """Shared and private vectors (B, 3, D) of the modalities that are there (B, 3)."""

    shared: Tensor
    private: Tensor
    present: Tensor


class MISA(Network):
    """As released: one layer and a mean over time, tanh subspaces, .1 CMD + .1 squared overlap."""

    def __init__(
        self,
        dims: tuple[int, int, int],
        classes: int,
        masks: bool = False,
        *,
        hidden: int = 128,
        subspace: int = 64,
    ) -> None:
        super().__init__(masks)
        self.encoders = nn.ModuleList(encoder(width, hidden, 0.3) for width in dims)
        self.shared = nn.ModuleList(nn.Linear(hidden, subspace) for _ in dims)
        self.private = nn.ModuleList(nn.Linear(hidden, subspace) for _ in dims)
        self.classifier = head(6 * subspace, hidden, classes, 0.3)

    def represent(self, streams: Streams, measured: Streams) -> Subspaces:
        """Both subspaces of every modality, 0 where one is missing."""
        present = presence(measured)
        pooled = [
            mean(encode(rows), kept)
            for encode, rows, kept in zip(self.encoders, streams, measured, strict=True)
        ]
        shared, private = (
            torch.stack([layer(x).tanh() for layer, x in zip(layers, pooled, strict=True)], 1)
            * present[..., None]
            for layers in (self.shared, self.private)
        )
        return Subspaces(shared, private, present)

    def classify(self, representation: Subspaces) -> Tensor:
        """Logits (B, K)."""
        return self.classifier(torch.cat([representation.shared, representation.private], 1).flatten(1))

    def losses(self, representation: Subspaces) -> tuple[Tensor, dict[str, Tensor]]:
        """Similarity of the shared subspaces, overlap of shared and private."""
        shared, private, present = representation
        similarity = torch.stack(
            [moment_errors(shared[:, i], shared[:, j], present[:, i], present[:, j]) for i, j in PAIRS]
        ).mean()
        overlap = torch.stack(
            [squared_overlap(shared[:, m], private[:, m], present[:, m]) for m in range(3)]
        ).mean()
        return 0.1 * similarity + 0.1 * overlap, {"similarity": similarity, "difference": overlap}
