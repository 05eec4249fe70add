"""From the latent sequence to logits: attention pooling and an MLP (Affect-Diff, Section IV-F)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from facetory.affectdiff.encoders import mean_of

if TYPE_CHECKING:
    from torch import Tensor

    from facetory.affectdiff.spec import ModelSpec


class Classifier(nn.Module):
    """``spec.classifier_layers``: 2 as the text has it, 3 as the released code, 1 linear (homepage)."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.pooling = spec.pooling
        self.query = nn.Parameter(torch.randn(spec.latent))
        widths = {1: (), 2: (spec.hidden,), 3: (spec.latent, spec.latent // 2)}[spec.classifier_layers]
        layers: list[nn.Module] = []
        for inputs, outputs in zip((spec.latent, *widths), widths, strict=False):
            layers += [nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.GELU()]
            layers += [nn.Dropout(spec.classifier_dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear((spec.latent, *widths)[-1], spec.classes))

    def forward(self, z: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits (B, classes) of z (B, L, dz), pooled over the ``valid`` positions, bool (B, L)."""
        pooled = attention_pool(z, self.query, valid)
        if self.pooling == "mean_attention":
            pooled = (pooled + mean_of(z, valid)) / 2
        return self.layers(pooled)


def attention_pool(z: Tensor, query: Tensor, valid: Tensor | None = None) -> Tensor:
    """softmax(q zᵀ / √dz) z over the valid positions of (B, L, dz): (B, dz) (Affect-Diff, Eq. 11)."""
    scores = z @ query / math.sqrt(len(query))
    if valid is not None:
        scores = scores.masked_fill(~valid, torch.finfo(scores.dtype).min)
    return (scores.softmax(-1)[:, None] @ z)[:, 0]
