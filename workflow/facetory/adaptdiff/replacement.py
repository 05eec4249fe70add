"""Faces of identities as the detector finds them, drawn anew where it finds none."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facetory.adaptdiff.spec import SynthesisSpec

Rows = Sequence[tuple[int, int]]
"""(identity, image number) of each image."""


@dataclass(frozen=True)
class Faces:
    """m faces, sorted by (identity, image): images uint8 (m, 3, px, px), identity and image int64 (m,).

    ``drawn`` is how many images of each identity were drawn, those without a face included.
    """

    images: np.ndarray
    identity: np.ndarray
    image: np.ndarray
    drawn: dict[int, int]

    @classmethod
    def joined(cls, parts: Sequence[Faces], px: int) -> Faces:
        """Those of several groups of identities, in ascending order, as one."""
        nobody: Any = np.zeros(0, np.int64)
        images = np.concatenate([np.zeros((0, 3, px, px), np.uint8), *(part.images for part in parts)])
        identity = np.concatenate([nobody, *(part.identity for part in parts)])
        image = np.concatenate([nobody, *(part.image for part in parts)])
        return cls(images, identity, image, {i: count for part in parts for i, count in part.drawn.items()})

    def complete(self, images: int) -> list[int]:
        """The identities with as many faces, ascending."""
        numbers, counts = np.unique(self.identity, return_counts=True)
        return numbers[counts >= images].tolist()

    def of(self, identities: Iterable[int]) -> Faces:
        """The faces of some identities."""
        kept = np.isin(self.identity, list(identities))
        return Faces(self.images[kept], self.identity[kept], self.image[kept], self.drawn)

    def counts(self, images: int) -> dict[str, int]:
        """Images drawn, faces found, images drawn in place of others, identities without enough faces."""
        drawn = sum(self.drawn.values())
        return {
            "drawn": drawn,
            "found": len(self.images),
            "replaced": drawn - images * len(self.drawn),
            "dropped": len(self.drawn) - len(self.complete(images)),
        }


def faces_of(spec: SynthesisSpec, identities: Iterable[int], draw: Callable[[Rows], np.ndarray]) -> Faces:
    """The faces among the first ``spec.images`` images of each identity, or in place of those without one.

    For an image without a face the identity's next number is drawn, up to ``spec.spare`` of them.  draw(rows)
    gives images uint8 (n, 3, h, w) of up to ``spec.batch_rows`` rows.
    """
    from facetory.faces.template import align_faces

    drawn = dict.fromkeys(identities, spec.images)
    pending = deque((identity, image) for identity in drawn for image in range(spec.images))
    kept: dict[tuple[int, int], np.ndarray] = {}
    while pending:
        rows = [pending.popleft() for _ in range(min(spec.batch_rows, len(pending)))]
        for row, face, found in zip(rows, *align_faces(draw(rows), spec.px, spec.alignment), strict=True):
            identity, _ = row
            if found:
                kept[row] = face
            elif drawn[identity] < spec.images + spec.spare:
                pending.append((identity, drawn[identity]))
                drawn[identity] += 1
    order = sorted(kept)
    images = np.array([kept[row] for row in order], np.uint8).reshape(-1, 3, spec.px, spec.px)
    numbers = np.array(order, np.int64).reshape(-1, 2)
    return Faces(images, numbers[:, 0], numbers[:, 1], drawn)
