"""What the baselines share: the interface, pooling and attention that leave out what was not measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from facetory.pipeline.files import FacetoryError

Streams = tuple[Tensor, Tensor, Tensor]
"""Text, audio and video, each (B, L, D_m)."""


class Network(nn.Module, ABC):
    """A baseline: streams to representations, representations to logits and to losses of its own.

    ``masks`` False has zeros count like any other row, as published.
    """

    def __init__(self, masks: bool = False) -> None:
        super().__init__()
        self.masks = masks

    @abstractmethod
    def represent(self, streams: Streams, measured: Streams) -> Any:
        """What logits and losses are computed from; ``measured`` are masks (B, L), streams are 0 outside."""

    @abstractmethod
    def classify(self, representation: Any) -> Tensor:
        """Logits (B, K)."""

    def losses(self, representation: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum of the network's own losses (), and each by its name; none by default."""
        return next(self.parameters()).new_zeros(()), {}

    def forward(self, streams: Streams, mask: Tensor | None = None) -> Tensor:
        """Logits (B, K) of streams (B, L, D_m), measured where ``mask`` (B, 3, L) is True."""
        return self.classify(self._represent(streams, mask))

    def auxiliary(
        self, streams: Streams, mask: Tensor | None, labels: Tensor
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Logits, the weighted sum of the network's own losses, and each of them without a gradient.

        No baseline's own loss reads the ``labels``.
        """
        representation = self._represent(streams, mask)
        extra, numbers = self.losses(representation)
        return self.classify(representation), extra, {name: loss.detach() for name, loss in numbers.items()}

    def _represent(self, streams: Streams, mask: Tensor | None) -> Any:
        if mask is None or not self.masks:
            mask = streams[0].new_ones(len(streams[0]), 3, streams[0].shape[1], dtype=torch.bool)
        text, audio, video = mask.unbind(1)
        measured = (text, audio, video)
        x, y, z = (s.where(m[..., None], s.new_zeros(())) for s, m in zip(streams, measured, strict=True))
        return self.represent((x, y, z), measured)


def mean(rows: Tensor, measured: Tensor) -> Tensor:
    """Mean (B, D) of the measured rows of (B, L, D); 0 where there is none."""
    return (rows * measured[..., None]).sum(1) / measured.sum(1, keepdim=True).clamp(min=1)


def last(rows: Tensor, measured: Tensor) -> Tensor:
    """The last measured row (B, D) of (B, L, D); 0 where there is none."""
    places = torch.arange(1, rows.shape[1] + 1, device=rows.device)
    found = (measured * places).amax(1)
    picked = rows.take_along_dim((found - 1).clamp(min=0)[:, None, None], 1).squeeze(1)
    return picked * (found > 0)[:, None]


def presence(measured: Streams) -> Tensor:
    """Which modalities have a measured row, bool (B, 3)."""
    return torch.stack([rows.any(1) for rows in measured], 1)


def attend(
    attention: nn.MultiheadAttention, queries: Tensor, keys: Tensor, measured: Tensor, causal: bool = False
) -> Tensor:
    """Attention of queries (B, Lq, D) on the measured rows of (B, Lk, D), themselves the values.

    ``causal`` hides later rows.  A query that sees no row gets 0.
    """
    seen = measured[:, None].expand(-1, queries.shape[1], -1)
    if causal:
        seen = seen & seen.new_ones(seen.shape[1:]).tril(keys.shape[1] - queries.shape[1])
    some = seen.any(-1, keepdim=True)
    hidden = (~seen & some).repeat_interleave(attention.num_heads, 0)
    found, _ = attention(queries, keys, keys, attn_mask=hidden, need_weights=False)
    return found * some


def multiple(width: int, parts: int, name: str) -> None:
    """`FacetoryError` unless ``width`` divides into ``parts``."""
    if width % parts:
        raise FacetoryError(
            f"baseline: {width} channels do not divide into {parts} {name}. Use a multiple of {parts}."
        )


def encoder(width: int, hidden: int, dropout: float) -> nn.Sequential:
    """Rows of one stream to ``hidden``: linear, layer norm, GELU, dropout."""
    return nn.Sequential(nn.Linear(width, hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Dropout(dropout))


def head(width: int, hidden: int, classes: int, dropout: float) -> nn.Sequential:
    """Logits by a hidden layer: linear, GELU, dropout, linear."""
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, classes))
