"""A split as a discriminative classifier sees it: faces, or their latents, with labels."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from facetory.diffusion.latents import require_mirror_images
from facetory.faces.views import faces_of
from facetory.pipeline.files import open_tensors, read_metadata


class Views(NamedTuple):
    """``views`` (n, V, C, h, w): uint8 faces or float32 latents, V = 1 or 2.

    Axis 1 holds an image and, where it cannot be had by turning the image, its mirror image.  ``labels`` (n,)
    int64 index ``classes``.
    """

    views: np.ndarray
    labels: np.ndarray
    sample_ids: list[str]
    persons: list[str]
    classes: list[str]

    def chosen(self, positions: np.ndarray) -> Views:
        """The samples at some positions."""
        ids, persons = ([names[i] for i in positions] for names in (self.sample_ids, self.persons))
        return Views(self.views[positions], self.labels[positions], ids, persons, self.classes)


def face_views(ledger: Path | str, split: str, px: int) -> Views:
    """The aligned faces of a split, resized to ``px``, uint8."""
    faces = faces_of(ledger, split, px)
    return Views(faces.pixels[:, None], *faces[1:4], list(faces.classes))


def latent_views(path: Path | str, training: bool = False) -> Views:
    """A split's posterior means, times the scaling factor, float32; for training with mirror images."""
    about = read_metadata(path)
    with open_tensors(path) as handle:
        mean, labels = handle.get_tensor("mean"), handle.get_tensor("labels")
    if training:
        require_mirror_images(mean, path)
    views = mean.astype(np.float32) * about["scaling_factor"]
    return Views(views, labels, about["sample_ids"], about["persons"], about["classes"])
