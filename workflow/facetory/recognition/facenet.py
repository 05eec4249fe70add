"""Identity by FaceNet: facenet-pytorch's Inception-ResNet-v1, learnt on VGGFace2 (Schroff et al. 2015)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facetory.recognition.judges_catalogue import IDENTITY, checked

if TYPE_CHECKING:
    from torch import Tensor, nn

PX = 160
PEOPLE = 8631
"""VGGFace2's training people: the outputs of the weights' last layer, which embedding leaves out."""


def facenet_embedder(device: str = "cpu", data_root: Path | str = "data") -> Callable[[np.ndarray], Tensor]:
    """A function from aligned faces, RGB uint8 (n, 3, h, w) of any size, to unit vectors (n, 512).

    Missing or changed weights are a `FacetoryError`.
    """
    import torch
    import torch.nn.functional as F

    from facetory.recognition.features import filled

    path = checked(IDENTITY["facenet"], data_root)
    network = filled(inception_resnet(), path).to(device)

    def embed(images: np.ndarray) -> Tensor:
        levels = torch.from_numpy(images).to(device).float()
        faces = F.interpolate(levels, (PX, PX), mode="bilinear", antialias=True)
        return network((faces - 127.5) / 128)

    return embed


def inception_resnet() -> nn.Module:
    """The network with the layers of its VGGFace2 weights; embeds, does not classify."""
    from facetory.faces.mtcnn import facenet

    network = facenet().InceptionResnetV1(classify=True, num_classes=PEOPLE)
    network.classify = False
    return network
