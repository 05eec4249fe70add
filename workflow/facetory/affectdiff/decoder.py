"""The optional reconstruction decoder: a modality's features from the latent sequence (homepage)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from facetory.affectdiff.layers import Dropout, Linear

if TYPE_CHECKING:
    from torch import Tensor

    from facetory.affectdiff.spec import ModelSpec

DROPOUT = 0.1


class Decoder(nn.Module):
    """One two-layer MLP a modality."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.modalities = nn.ModuleList(
            nn.Sequential(
                Linear(spec.latent, spec.hidden),
                nn.LayerNorm(spec.hidden),
                nn.GELU(),
                Dropout(DROPOUT),
                Linear(spec.hidden, features),
            )
            for features in spec.dims
        )

    def forward(self, z: Tensor) -> tuple[Tensor, ...]:
        """Text, audio and video features (B, L, D) of z (B, L, dz)."""
        return tuple(modality(z) for modality in self.modalities)
