"""Whose face it is, as a vector: embedders by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from facetory.recognition.judges_catalogue import IDENTITY, entry

BATCH = 16


def embedder(
    name: str, device: str = "cpu", data_root: Path | str = "data"
) -> Callable[[np.ndarray], np.ndarray]:
    """A function from aligned faces, RGB uint8 (n, 3, h, w), to unit vectors (n, d) float32.

    A row is NaN where a network says that there is no face.  A `FacetoryError` says what to install or place
    where.
    """
    entry(IDENTITY, name, "identity network")
    if name == "facenet":
        from facetory.recognition.facenet import facenet_embedder as make
    else:
        from facetory.recognition.dlib_embedder import dlib_embedder as make
    describe = make(device, data_root)

    def embed(images: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            batches = (images[first : first + BATCH] for first in range(0, len(images), BATCH))
            return unit(np.concatenate([describe(batch).cpu().numpy() for batch in batches]))

    return embed


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (n, d) divided by their lengths."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine (n,) of unit vectors (n, d), row by row."""
    return (a * b).sum(axis=1)
