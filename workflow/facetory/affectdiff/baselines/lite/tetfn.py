"""TETFN (Wang et al. 2023): text guides how audio and video are attended to."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facetory.affectdiff.baselines.layers import Network, Streams, View, attend, head, mean, multiple, view
from facetory.affectdiff.baselines.norms import GroupNorm

GROUPS = 8


class TETFN(Network):
    """As released: two convolutions a modality, text to itself, audio and video to text, mean over time.

    Encoders, heads and number of parameters are published; who attends to whom is what those leave.
    """

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
        multiple(hidden, GROUPS, "groups")
        multiple(hidden, heads, "heads")
        self.encoders = nn.ModuleList(Encoder(width, hidden) for width in dims)
        self.guides = nn.ModuleList(Guide(hidden, heads) for _ in dims)
        self.classifier = head(3 * hidden, hidden, classes, 0.3)

    def represent(self, streams: Streams, measured: Streams) -> Tensor:
        """The three means (B, 3 hidden)."""
        encoded = [
            encode(rows, kept) for encode, rows, kept in zip(self.encoders, streams, measured, strict=True)
        ]
        text, seen = encoded[0], view(measured[0])
        pooled = [
            mean(guide(rows, text, seen), kept)
            for guide, rows, kept in zip(self.guides, encoded, measured, strict=True)
        ]
        return torch.cat(pooled, 1)

    def classify(self, representation: Tensor) -> Tensor:
        """Logits (B, K)."""
        return self.classifier(representation)


class Guide(nn.Module):
    """One modality (B, L, D) attending to text, with residual and layer norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, 0.3, batch_first=True)
        self.norm = nn.LayerNorm(width)

    def forward(self, rows: Tensor, text: Tensor, seen: View) -> Tensor:
        """The rows with what they found among the words that are seen."""
        return self.norm(rows + attend(self.attention, rows, text, seen))


class Encoder(nn.Module):
    """Twice: convolution over three rows, group norm over the measured rows, GELU, dropout."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv1d(d, hidden, 3, padding=1) for d in (width, hidden))
        self.norms = nn.ModuleList(GroupNorm(GROUPS, hidden) for _ in range(2))

    def forward(self, rows: Tensor, measured: Tensor) -> Tensor:
        """Rows (B, L, D) to (B, L, hidden), 0 where nothing was measured."""
        x = rows.transpose(1, 2)
        for convolve, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.gelu(norm(convolve(x), measured))
            x = F.dropout(x, 0.3, self.training) * measured[:, None]
        return x.transpose(1, 2)
