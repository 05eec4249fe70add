"""The networks of `flops.py`, by the first word of their names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from facetory.adaptdiff.architectures import architecture as identity_architecture
from facetory.adaptdiff.unet import IdentityUNet
from facetory.affectdiff.networks import build as build_recognizer
from facetory.data.labels import BASIC
from facetory.diffusion import lora
from facetory.diffusion.architecture import new_unet, new_vae
from facetory.diffusion.catalogue import backbone
from facetory.diffusion.small_decoder import small_decoder
from facetory.diffusion.text import LENGTH
from facetory.diffusion.unconditional import new_unconditional
from facetory.diffusion.vq import VQ_F4
from facetory.pipeline.files import read_metadata
from facetory.pipeline.spec import Spec
from facetory.recognition import dlib_resnet, features, iresnet, networks
from facetory.recognition.judges_catalogue import IDENTITY, checked
from memory_affectdiff import train_recognizer
from memory_encoders import embed
from torch import Tensor, nn

ARCHITECTURES = {"demo": "demo", "demo-faces": "demo-faces"}
"""Backbones by architecture, where it is not Stable Diffusion's."""
LATE = 10**6
"""A step after every warm-up, when no term of a loss is left out."""
FACE = 112
"""Side of the faces that identity networks are given; those that see others resize them."""


class Made(NamedTuple):
    """A network, and a call of it with ``rows`` rows; ``step`` is a whole step of training on ``batch`` rows,
    where that is more than the call and back."""

    network: nn.Module
    rows: int
    call: Callable[[], Tensor]
    step: Callable[[], Any] | None = None
    batch: int = 1


def architecture_of(name: str) -> str:
    """The committed architecture of a backbone."""
    return ARCHITECTURES.get(name, "sd21")


def vae_of(name: str) -> Any:
    """An autoencoder."""
    from diffusers import VQModel

    return VQModel(**VQ_F4) if name == "vq-f4" else new_vae(architecture_of(name))


def latents_of(name: str, px: str) -> Tensor:
    """A row of latents of pictures of ``px``."""
    config = vae_of(name).config
    side = int(px) // 2 ** (len(config.block_out_channels) - 1)
    return torch.zeros(1, config.latent_channels, side, side)


def unet(about: list[str], spec: Any) -> Made:
    """A text-conditioned UNet with the adapter of a training spec, under one prompt."""
    name, px = about
    network = new_unet(architecture_of(name))
    train = getattr(spec, "train", spec)
    if train is not None:
        network.requires_grad_(False)
        lora.inject(network, train.lora_rank, train.lora_alpha, train.lora_targets, 0)
    z, timestep = latents_of(name, px), torch.zeros(1, dtype=torch.int64)
    length = LENGTH[backbone(name).text_encoder]
    tokens = torch.zeros(1, length, network.config.cross_attention_dim)
    return Made(network, 1, lambda: network(z, timestep, tokens).sample)


def encode(about: list[str], spec: Any) -> Made:
    """An autoencoder's encoder."""
    name, px = about
    network, picture = vae_of(name), torch.zeros(1, 3, int(px), int(px))
    quantised = name == "vq-f4"
    return Made(
        network,
        1,
        lambda: network.encode(picture).latents if quantised else network.encode(picture).latent_dist.mean,
    )


def decode(about: list[str], spec: Any) -> Made:
    """An autoencoder's decoder."""
    name, px = about
    network, z = vae_of(name), latents_of(name, px)
    return Made(network, 1, lambda: network.decode(z).sample)


def unconditional(about: list[str], spec: Any) -> Made:
    """SMC's UNet."""
    name, encoder, px = about
    z, timestep = latents_of(encoder, px), torch.zeros(1, dtype=torch.int64)
    network = new_unconditional(name, z.shape[1])
    return Made(network, 1, lambda: network(z, timestep).sample)


def small(about: list[str], spec: Any) -> Made:
    """A small decoder."""
    widths, name, px = about
    z = latents_of(name, px)
    network = small_decoder(z.shape[1], tuple(map(int, widths.split("-"))))
    return Made(network, 1, lambda: network(z))


def identity_unet(about: list[str], spec: Any) -> Made:
    """IDiff-Face's UNet under one context."""
    name, encoder, px = about
    z, timestep = latents_of(encoder, px), torch.zeros(1, dtype=torch.int64)
    sizes = identity_architecture(name, input_channels=z.shape[1])
    network, context = IdentityUNet(sizes), torch.zeros(1, sizes.context_size)
    return Made(network, 1, lambda: network(z, timestep, context))


def classifier(about: list[str], spec: Any) -> Made:
    """A discriminative classifier of faces, or of latents."""
    view, px = about[2], about[3]
    own = next(part for part in parts(spec) if getattr(part, "network", None) == about[0])
    seen = view.partition("-")[2]
    row = latents_of(seen, px) if seen else torch.zeros(1, 3, int(px), int(px))
    network = networks.build(own, len(BASIC), row.shape[1], row.shape[2])
    two = row.repeat(2, 1, 1, 1)
    extra = (torch.zeros(2, dtype=torch.int64),) if own.network == "latent_cnn" else ()
    return Made(network, 2, lambda: network(two, *extra))


def face(about: list[str], spec: Any) -> Made:
    """A face recogniser."""
    name, px, embedding = about
    network = iresnet.iresnet(name, int(px), int(embedding))
    two = torch.zeros(2, 3, int(px), int(px))
    return Made(network, 2, lambda: network(two))


def embedder(about: list[str], spec: Any) -> Made:
    """An identity network."""
    (name,) = about
    if name == "dlib":
        network: nn.Module = dlib_resnet.load(checked(IDENTITY[name], "data"))
        row = torch.zeros(1, 3, dlib_resnet.PX, dlib_resnet.PX)
        return Made(network, 1, lambda: network(row))
    if name.startswith("demo"):
        made = read_metadata(checked(IDENTITY[name], "data"))
        network = iresnet.iresnet(made["network"], made["px"], made["embedding"])
        row = torch.zeros(1, 3, made["px"], made["px"])
        return Made(network.eval(), 1, lambda: network(row))
    ready = embed(name, FACE, 1, "cpu")
    return Made(ready.networks[name], 1, lambda: ready.step(0))


def feature_network(about: list[str], spec: Any) -> Made:
    """A network of image features."""
    network = features._build(about[0])
    picture = torch.zeros(1, 3, 256, 256)
    return Made(network.eval(), 1, lambda: network(picture)[1])


def recognizer(about: list[str], spec: Any) -> Made:
    """Affect-Diff or a baseline; a step of its training has the prior's loss in it."""
    own = next(part for part in parts(spec) if hasattr(part, "alignment"))
    network, model = build_recognizer(own), own.model
    streams = tuple(torch.zeros(2, model.length, size) for size in model.dims)
    mask = torch.ones(2, len(streams), model.length, dtype=torch.bool)
    ready = train_recognizer(own, own.batch_size, "cpu")
    return Made(network, 2, lambda: network(streams, mask), lambda: ready.step(LATE), own.batch_size)


def parts(spec: Any) -> list[Any]:
    """A spec and the specs that stand in it."""
    inner = [getattr(spec, name) for name in type(spec).model_fields]
    return [spec, *(part for value in inner if isinstance(value, Spec) for part in parts(value))]


NETWORKS: dict[str, Callable[[list[str], Any], Made]] = {
    "unet": unet,
    "encode": encode,
    "decode": decode,
    "unconditional": unconditional,
    "small_decoder": small,
    "identity_unet": identity_unet,
    "classifier": classifier,
    "face": face,
    "embedder": embedder,
    "features": feature_network,
    "recognizer": recognizer,
}
