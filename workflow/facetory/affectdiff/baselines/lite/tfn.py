"""Tensor Fusion Network (Zadeh et al. 2017): the outer product of three modalities with a 1 appended."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facetory.affectdiff.baselines.layers import Network, Streams, mean, presence


def outer_product(text: Tensor, audio: Tensor, video: Tensor) -> Tensor:
    """(B, (T+1)(A+1)(V+1)): every product of entries of [text, 1], [audio, 1] and [video, 1]."""
    one = text.new_ones(len(text), 1)
    t, a, v = (torch.cat([x, one], 1) for x in (text, audio, video))
    return (t[:, :, None, None] * a[:, None, :, None] * v[:, None, None, :]).flatten(1)


class TFN(Network):
    """As released: mean over time, one layer a modality, 17³ products, two layers.

    A missing modality leaves only its 1 in the product.
    """

    def __init__(
        self,
        dims: tuple[int, int, int],
        classes: int,
        masks: bool = False,
        *,
        projection: int = 16,
        hidden: int = 128,
    ) -> None:
        super().__init__(masks)
        self.projections = nn.ModuleList(_relu(width, projection) for width in dims)
        self.fusion = nn.Sequential(
            _relu((projection + 1) ** 3, hidden), _relu(hidden, hidden // 2), nn.Linear(hidden // 2, classes)
        )

    def represent(self, streams: Streams, measured: Streams) -> Tensor:
        """The flattened products."""
        t, a, v = (
            projection(mean(rows, kept)) * present[:, None]
            for projection, rows, kept, present in zip(
                self.projections, streams, measured, presence(measured).T, strict=True
            )
        )
        return outer_product(t, a, v)

    def classify(self, representation: Tensor) -> Tensor:
        """Logits (B, K)."""
        return self.fusion(representation)


def _relu(width: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, out), nn.ReLU(), nn.Dropout(0.3))
