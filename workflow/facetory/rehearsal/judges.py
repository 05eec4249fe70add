"""Networks that measure faces, in their authors' files: Inception-v3, FaceNet, ElasticFace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from facetory.recognition.judges_catalogue import FEATURES, IDENTITY, location
from facetory.rehearsal.random_weights import calibrate, fill, pictures
from facetory.rehearsal.saving import save_torch

if TYPE_CHECKING:
    from torch import nn

FACES = 8
"""Pictures by which batch norms are set."""


def inception(data_root: Path) -> None:
    """Inception-v3 of FID as pytorch-fid's conversion; its features differ between pictures."""
    from facetory.recognition.inception import InceptionV3

    network = fill(InceptionV3())
    calibrate(network, 127.5 * (pictures(FACES, 64) + 1))
    save_torch(location(FEATURES["inception"], data_root), network.state_dict())


def facenet(data_root: Path) -> None:
    """FaceNet as facenet-pytorch releases it, with the layer that tells VGGFace2's people apart."""
    from facetory.recognition.facenet import PX, inception_resnet

    _save_embedder(inception_resnet(), PX, location(IDENTITY["facenet"], data_root))


def elasticface(data_root: Path, loss: str) -> None:
    """ElasticFace's IResNet-100; ``loss`` is "arc" or "cos"."""
    from facetory.recognition.elasticface import PX
    from facetory.recognition.iresnet import SIZES, IResNet

    network = IResNet(SIZES["iresnet100"], side=-(-PX // 16), embedding=512, dropout=0.0)
    _save_embedder(network, PX, location(IDENTITY[f"elasticface_{loss}"], data_root), int(loss == "cos"))


def _save_embedder(network: nn.Module, px: int, path: Path, seed: int = 0) -> None:
    calibrate(fill(network, seed), pictures(FACES, px))
    save_torch(path, network.state_dict())
