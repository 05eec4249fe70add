"""Identity by dlib: five landmarks turn a face upright, dlib's ResNet describes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facetory.faces.views import resized
from facetory.recognition.dlib_resnet import PX
from facetory.recognition.judges_catalogue import IDENTITY, LANDMARKS, checked

if TYPE_CHECKING:
    from torch import Tensor


def dlib_embedder(device: str = "cpu", data_root: Path | str = "data") -> Callable[[np.ndarray], Tensor]:
    """A function from aligned faces, RGB uint8 (n, 3, h, w) of any size, to descriptors (n, 128).

    The whole picture is taken for the box of the face: small or altered faces are described too, where
    dlib's detector would find none.  Missing packages are a `FacetoryError`.
    """
    import torch

    from facetory.recognition.dlib_resnet import load

    network = load(checked(IDENTITY["dlib"], data_root)).to(device)
    upright = aligner(checked(LANDMARKS, data_root))

    def embed(images: np.ndarray) -> Tensor:
        faces = torch.from_numpy(np.stack([upright(image) for image in images]))
        return network(faces.to(device).float())

    return embed


def aligner(predictor: Path) -> Callable[[np.ndarray], np.ndarray]:
    """A function from a face (3, h, w) to the upright one (3, 150, 150) that dlib's network wants."""
    import dlib

    predict, box = dlib.shape_predictor(str(predictor)), dlib.rectangle(0, 0, PX - 1, PX - 1)

    def upright(image: np.ndarray) -> np.ndarray:
        face = np.ascontiguousarray(resized(image.transpose(1, 2, 0), PX))
        return dlib.get_face_chip(face, predict(face, box)).transpose(2, 0, 1)

    return upright
