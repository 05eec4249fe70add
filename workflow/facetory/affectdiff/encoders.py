"""The encoders: one modality's features to a hidden sequence (Affect-Diff, Section IV-B)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from facetory.affectdiff.layers import Dropout, GroupNorm, Linear, TransformerLayer, masked, sinusoids

if TYPE_CHECKING:
    from torch import Tensor

    from facetory.affectdiff.spec import ModelSpec

KERNELS = (1, 5, 3)
"""Of text, audio and video; 1 is a linear layer."""
GROUPS = 8


class Encoder(nn.Module):
    """Features (B, L, D) to hidden states (B, L, H): a front end, sinusoidal positions, a Transformer.

    The front end of text (``kernel`` 1) is a linear layer with LayerNorm, that of audio and video a
    convolution with GroupNorm.  With ``spec.modality_norm`` (homepage) another LayerNorm ends the encoder,
    so that each modality enters the graph at the same level.
    """

    def __init__(self, spec: ModelSpec, inputs: int, kernel: int) -> None:
        super().__init__()
        width = spec.hidden
        self.dropout = Dropout(spec.dropout)
        self.front: Linear | nn.Conv1d = (
            Linear(inputs, width) if kernel == 1 else nn.Conv1d(inputs, width, kernel, padding="same")
        )
        self.front_norm: nn.LayerNorm | GroupNorm = (
            nn.LayerNorm(width) if kernel == 1 else GroupNorm(GROUPS, width)
        )
        self.layers = nn.ModuleList(
            TransformerLayer(width, spec.heads, spec.dropout) for _ in range(spec.layers)
        )
        self.norm = nn.LayerNorm(width)
        self.level = nn.LayerNorm(width) if spec.modality_norm else nn.Identity()

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Hidden states (B, L, H), zero where the mask, bool (B, L), says that nothing was measured."""
        keys = inside = None
        if mask is not None:
            features, inside = features.masked_fill(~mask[..., None], 0), mask[..., None].to(features.dtype)
            keys = mask | ~mask.any(-1, keepdim=True)  # attention over no key at all is not a number
        tokens = self.dropout(F.gelu(self.begin(features, inside)))
        positions = sinusoids(torch.arange(tokens.shape[1], device=tokens.device), tokens.shape[2])
        tokens = self.dropout(tokens + positions)
        for layer in self.layers:
            tokens = layer(tokens, keys)
        return masked(self.level(self.norm(tokens)), inside)

    def begin(self, features: Tensor, inside: Tensor | None) -> Tensor:
        """The front end before its activation (B, L, H)."""
        if isinstance(self.front, Linear):
            return self.front_norm(self.front(features))
        channels = self.front(features.transpose(1, 2))
        return self.front_norm(channels, None if inside is None else inside.transpose(1, 2)).transpose(1, 2)


def encoders(spec: ModelSpec) -> nn.ModuleList:
    """The encoders of text, audio and video."""
    return nn.ModuleList(Encoder(spec, inputs, k) for inputs, k in zip(spec.dims, KERNELS, strict=True))


def mean_of(hidden: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean over the measured positions of (B, L, H), by ``mask`` (B, L): a node's embedding (B, H)."""
    if mask is None:
        return hidden.mean(1)
    return (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
