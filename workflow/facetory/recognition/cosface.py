"""CosFace, the large-margin cosine loss of face recognition (Wang et al. 2018, Eq. 4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facetory.pipeline.randomness import stream_key


def cosface_logits(
    features: Tensor, prototypes: Tensor, labels: Tensor, margin: float = 0.35, scale: float = 64.0
) -> Tensor:
    """s·(cos θ_j − m·[j = y]), float32 (batch, identities); their cross-entropy is the loss.

    features: raw (batch, d); prototypes: the identities' (identities, d), of any length; labels: int64
    (batch,).  Computed in float32, whatever the precision around it.
    """
    with torch.autocast(features.device.type, enabled=False):
        cosines = F.linear(F.normalize(features.float()), F.normalize(prototypes.float()))
        return scale * (cosines - margin * F.one_hot(labels, len(prototypes)))


class Prototypes(nn.Module):
    """One learnt direction for each identity, (identities, embedding), drawn from the seed; not exported."""

    def __init__(self, identities: int, embedding: int, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_key(seed, "face recogniser", "prototypes") >> 1)
            self.weight = nn.Parameter(torch.empty(identities, embedding).normal_(std=0.01))

    def forward(self, features: Tensor, labels: Tensor, margin: float, scale: float) -> Tensor:
        """The logits of features (batch, embedding) and their labels (batch,)."""
        return cosface_logits(features, self.weight, labels, margin, scale)
