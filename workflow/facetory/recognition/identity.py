"""Whose face it is, as a vector: embedders by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facetory.recognition.judges_catalogue import IDENTITY, entry

if TYPE_CHECKING:
    from torch import Tensor

    from facetory.faces.face_set import FaceSet

BATCH = 16


def embedder(
    name: str, device: str = "cpu", data_root: Path | str = "data"
) -> Callable[[np.ndarray], np.ndarray]:
    """A function from aligned faces, RGB uint8 (n, 3, h, w), to unit vectors (n, d) float32.

    A row is NaN where a network says that there is no face.  A `FacetoryError` says what to install or place
    where.
    """
    describe = describer(name, device, data_root)
    return lambda images: unit(describe(images))


def describer(
    name: str, device: str = "cpu", data_root: Path | str = "data"
) -> Callable[[np.ndarray], np.ndarray]:
    """As `embedder`, but its vectors (n, d) float32 have the length that the network gives them."""
    entry(IDENTITY, name, "identity network")
    describe = _network(name, device, data_root)

    def features(images: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            batches = (images[first : first + BATCH] for first in range(0, len(images), BATCH))
            return np.concatenate([describe(batch).cpu().numpy() for batch in batches])

    return features


def _network(name: str, device: str, data_root: Path | str) -> Callable[[np.ndarray], Tensor]:
    if name.startswith("elasticface"):
        from facetory.recognition.elasticface import elasticface_embedder

        return elasticface_embedder(name, device, data_root)
    if name.startswith("demo"):
        from facetory.recognition.demo_identity import demo_embedder

        return demo_embedder(name, device, data_root)
    if name == "facenet":
        from facetory.recognition.facenet import facenet_embedder

        return facenet_embedder(device, data_root)
    from facetory.recognition.dlib_embedder import dlib_embedder

    return dlib_embedder(device, data_root)


def in_full_batches(
    embed: Callable[[np.ndarray], np.ndarray], shown: FaceSet, rows: np.ndarray
) -> np.ndarray:
    """``embed`` of some faces of a set, (len(rows), …) float32.

    Every call is of `BATCH` faces, the last ones filled up, so that a row is a function of its face alone.
    """
    found = []
    for first in range(0, len(rows), BATCH):
        part = rows[first : first + BATCH]
        found.append(embed(shown.pixels(np.resize(part, BATCH)))[: len(part)])
    return np.concatenate(found).astype(np.float32)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (n, d) divided by their lengths."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine (n,) of unit vectors (n, d), row by row."""
    return (a * b).sum(axis=1)
