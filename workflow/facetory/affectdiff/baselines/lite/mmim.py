"""MMIM (Han et al. 2021): mutual information kept between modalities, and of the fusion with each of them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from facetory.affectdiff.baselines.layers import Network, Streams, encoder, head, mean, presence
from facetory.affectdiff.baselines.objectives import (
    info_nce,
)

PAIRS = ((0, 1), (0, 2), (1, 2))


class Fused(NamedTuple):
    """Three modalities (B, D_m), their fusion (B, D), and which of them are there (B, 3)."""

    unimodal: list[Tensor]
    fusion: Tensor
    present: Tensor


class MMIM(Network):
    """As released: InfoNCE at τ = .07 between modalities and from the fusion to each modality, weight .1.

    Sizes, weight, temperature and number of parameters are published; the division among encoders,
    projections, predictors and fusion is ours, with exactly that number.
    """

    def __init__(
        self, dims: tuple[int, int, int], classes: int, masks: bool = False, *, hidden: int = 128
    ) -> None:
        super().__init__(masks)
        self.encoders = nn.ModuleList(
            nn.Sequential(encoder(width, hidden, 0.3), nn.Linear(hidden, hidden)) for width in dims
        )
        self.projections = nn.ModuleList(
            nn.Sequential(nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, hidden // 2)) for _ in dims
        )
        self.predictors = nn.ModuleList(nn.Linear(hidden, hidden) for _ in dims)
        self.fusion = nn.Sequential(encoder(3 * hidden, 2 * hidden, 0.3), nn.Linear(2 * hidden, hidden))
        self.classifier = head(hidden, hidden // 2, classes, 0.3)

    def represent(self, streams: Streams, measured: Streams) -> Fused:
        """Means over time and their fusion."""
        unimodal = [
            mean(encode(rows), kept)
            for encode, rows, kept in zip(self.encoders, streams, measured, strict=True)
        ]
        return Fused(unimodal, self.fusion(torch.cat(unimodal, 1)), presence(measured))

    def classify(self, representation: Fused) -> Tensor:
        """Logits (B, K)."""
        return self.classifier(representation.fusion)

    def losses(self, representation: Fused) -> tuple[Tensor, dict[str, Tensor]]:
        """InfoNCE between modalities (both ways) and from the fusion to each, means over pairs."""
        unimodal, fusion, present = representation
        projected = [project(x) for project, x in zip(self.projections, unimodal, strict=True)]
        between = [
            info_nce(projected[i], projected[j], present[:, i] & present[:, j], 0.07)
            for i, j in (*PAIRS, *(pair[::-1] for pair in PAIRS))
        ]
        onto = [
            info_nce(predict(fusion), x, rows, 0.07)
            for predict, x, rows in zip(self.predictors, unimodal, present.T, strict=True)
        ]
        modalities, fused = torch.stack(between).mean(), torch.stack(onto).mean()
        return 0.1 * (modalities + fused), {"nce_modalities": modalities, "nce_fusion": fused}
