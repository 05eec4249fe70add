"""The spec of a face set: the faces that recognisers see, whoever made them."""

from __future__ import annotations

from typing import Literal

from facetory.pipeline.spec import Spec

Alignment = Literal["mtcnn", "mtcnn_unshifted", "none"]
"""Five points by MTCNN and a similarity to the 112² template, which lies 8 pixels right of the 96 × 112 one
("mtcnn_unshifted": it does not, as in the released script); or the faces as they are."""


class FaceSetSpec(Spec):
    """A split's faces at ``px``, turned to the template; ``people`` and ``images`` bound a part of them."""

    dataset: str
    split: str = "train"
    px: int = 112
    alignment: Alignment = "mtcnn"
    people: int | None = None
    images: int | None = None
    seed: int = 0

    def slug(self) -> list[str]:
        """Whose faces, at what size."""
        return [self.dataset, self.split, f"px{self.px}"]
