"""What a job computes, told by its spec alone: how many rows pass through which network (free of torch)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

Pass = Literal["forward", "training"]
"""A row through a network, or forward and back as in a step of training."""
Work = Mapping[tuple[str, Pass], float]
"""Rows by (network, pass).  A network is told as a path, e.g. ``unet/sd21-base/256``."""


class Sizes(Protocol):
    """How large the data are, as far as can be known before they are read.

    What is not known is a `SizeUnknown`.
    """

    def samples(self, dataset: str, split: str) -> int:
        """Images of a split; of a verification set its pairs."""
        ...

    def classes(self, dataset: str) -> int:
        """Expression classes."""
        ...

    def faces(self, folder: str) -> int:
        """Faces of a face set, by its folder below the results folder."""
        ...

    def segments(self, alignment: str) -> Mapping[str, int]:
        """Aligned segments by split ("train", "validation", "test") of an alignment, by its id."""
        ...


class SizeUnknown(Exception):
    """The size of some data is not known before they are read; the message names them."""


def bounded(samples: int, per_class: int | None, classes: int) -> int:
    """Samples of which at most ``per_class`` of each class are taken (None: all): never less than are."""
    return samples if per_class is None else min(samples, per_class * classes)


def added(*parts: Work) -> Work:
    """The sum of several works."""
    total: dict[tuple[str, Pass], float] = {}
    for part in parts:
        for key, rows in part.items():
            total[key] = total.get(key, 0.0) + rows
    return total
