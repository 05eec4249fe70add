"""Multimodal Transformer (Tsai et al. 2019): every modality attends to both others."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facetory.affectdiff.baselines.layers import Network, Streams, last
from facetory.affectdiff.baselines.lite.mult import DIRECTIONS
from facetory.affectdiff.baselines.transformer import Stream, Transformer


class MulT(Network):
    """After the paper, sizes for MOSEI from MMSA: d 30, 6 heads, 4 levels, kernels 5, 1 and 3.

    Convolutions keep the length, so that rows keep their masks; each modality is read at its last row.
    """

    def __init__(
        self,
        dims: tuple[int, int, int],
        classes: int,
        masks: bool = False,
        *,
        hidden: int = 30,
        heads: int = 6,
        levels: int = 4,
        memory_levels: int = 4,
    ) -> None:
        super().__init__(masks)
        self.text_dropout = nn.Dropout(0.3)
        self.projections = nn.ModuleList(
            nn.Conv1d(width, hidden, kernel, padding="same", bias=False)
            for width, kernel in zip(dims, (5, 1, 3), strict=True)
        )
        self.across = nn.ModuleList(
            Transformer(hidden, heads, levels, attention=0.4 if key == 0 else 0.0) for _, key in DIRECTIONS
        )
        self.memories = nn.ModuleList(
            Transformer(2 * hidden, heads, memory_levels, attention=0.4) for _ in dims
        )
        self.residual = nn.Sequential(
            nn.Linear(6 * hidden, 6 * hidden), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6 * hidden, 6 * hidden)
        )
        self.classifier = nn.Linear(6 * hidden, classes)

    def represent(self, streams: Streams, measured: Streams) -> Tensor:
        """The last measured row of each modality's memory (B, 6 hidden)."""
        text, audio, video = streams
        x = [
            Stream.of(project(rows.mT).mT, kept)
            for project, rows, kept in zip(
                self.projections, (self.text_dropout(text), audio, video), measured, strict=True
            )
        ]
        found = [transformer(x[q], x[k]) for transformer, (q, k) in zip(self.across, DIRECTIONS, strict=True)]
        remembered = [
            last(memory(x[m]._replace(rows=torch.cat(found[2 * m : 2 * m + 2], -1))), measured[m])
            for m, memory in enumerate(self.memories)
        ]
        return torch.cat(remembered, 1)

    def classify(self, representation: Tensor) -> Tensor:
        """Logits (B, K), behind a residual block."""
        return self.classifier(representation + self.residual(representation))
