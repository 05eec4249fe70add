"""Networks that pictures pass through: to latents, and to the features of faces and of whole images."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import torch
from facetory.diffusion.architecture import new_vae
from facetory.diffusion.encode import _moments
from facetory.diffusion.vq import VQ_F4
from facetory.recognition import identity as identities
from facetory.recognition.features import FeatureNetwork
from memory_stage import frozen
from memory_tracker import Prepared
from torch import nn


def encode(name: str, px: int, batch: int, device: str) -> Prepared:
    """A batch of clean faces through the encoder, and of their mirror images."""
    vae = frozen(first_stage if name == "vq-f4" else lambda: new_vae(name), device)
    pixels = torch.zeros(batch, 3, px, px, dtype=torch.uint8)

    def step(number: int) -> Any:
        with torch.no_grad():
            return _moments(vae, pixels, mirrored=True)

    return Prepared({"vae": vae}, step)


def first_stage() -> Any:
    """LDM's VQ-f4."""
    from diffusers import VQModel

    return VQModel(**VQ_F4)


def inception(px: int, batch: int, device: str) -> Prepared:
    """Sources, edits and reconstructions through the network, whose maps are compared."""
    from facetory.recognition import features
    from facetory.recognition.inception import InceptionV3

    network = FeatureNetwork("inception", frozen(InceptionV3, device), device)
    pictures = [np.zeros((batch, 3, px, px), np.uint8)] * 3

    def step(number: int) -> Any:
        with mock.patch.object(features, "BATCH", batch):
            return network.compare(*pictures)

    return Prepared({"inception": network.network}, step)


def embed(name: str, px: int, batch: int, device: str) -> Prepared:
    """A batch of an identity network."""
    from facetory.recognition import elasticface, facenet, features

    made: dict[str, nn.Module] = {}

    def keep(network: nn.Module, *_: Any) -> nn.Module:
        made[name] = network.eval().requires_grad_(False)
        return network

    with (
        mock.patch.object(facenet, "checked"),
        mock.patch.object(features, "filled", keep),
        mock.patch.object(elasticface, "checked"),
        mock.patch.object(elasticface, "load", keep),
    ):
        describe = identities._network(name, device, "")
    images = np.zeros((batch, 3, px, px), np.uint8)

    def step(number: int) -> Any:
        with torch.inference_mode():
            return describe(images)

    return Prepared(made, step)
