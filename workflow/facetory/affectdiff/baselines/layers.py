"""What the baselines share: the interface, pooling and attention that leave out what was not measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facetory.pipeline.files import FacetoryError

Streams = tuple[Tensor, Tensor, Tensor]
"""Text, audio and video, each (B, L, D_m)."""
HIDDEN = -1e4
"""Score of a row that is not seen: within half precision, and its share beside one that is seen is 0."""


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


class View(NamedTuple):
    """What queries see of a stream: a bias (B, 1, L, L) of their scores, and who sees a row (B, L, 1)."""

    bias: Tensor
    some: Tensor


def view(measured: Tensor, causal: bool = False) -> View:
    """The measured rows (B, L); ``causal`` hides those after the query's."""
    seen = measured[:, None, :].expand(-1, measured.shape[1], -1)
    if causal:
        seen = seen & seen.new_ones(seen.shape[1:]).tril()
    bias = torch.zeros(seen.shape, device=seen.device).masked_fill(~seen, HIDDEN)
    return View(bias[:, None], seen.any(-1, keepdim=True))


def attend(attention: nn.MultiheadAttention, queries: Tensor, keys: Tensor, seen: View) -> Tensor:
    """What queries (B, L, D) find among keys (B, L, D), themselves the values; 0 where they see none.

    The module's own forward gives NaN there, and builds its masks at every call.
    """
    d, weight, bias = attention.embed_dim, attention.in_proj_weight, attention.in_proj_bias
    q = F.linear(queries, weight[:d], bias[:d])
    k, v = F.linear(keys, weight[d:], bias[d:]).chunk(2, -1)
    q, k, v = (x.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2) for x in (q, k, v))
    dropout = attention.dropout if attention.training else 0.0
    found = F.scaled_dot_product_attention(q, k, v, seen.bias.to(q.dtype), dropout)
    return attention.out_proj(found.transpose(1, 2).flatten(2)) * seen.some


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
