"""The discriminative networks by name: how each is built, and what it is fed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from facetory.pipeline.files import FacetoryError, open_tensors, read_json, read_metadata
from facetory.pipeline.randomness import stream_key
from facetory.recognition.preprocessing import PREPROCESSING, prepare
from facetory.recognition.spec import ClassifierSpec, Network

if TYPE_CHECKING:
    from torch import nn

    from facetory.recognition.expressions import Prepare

CNN_WIDTHS = {"paper": (64, 128, 256, 256), "small": (16, 32, 64, 128)}
CNN_DROPOUT = 0.3
VIEWS = {"cnn": ("faces", "latents"), "latent_cnn": ("latents",)}
"""What a network can see, where it is not faces alone."""


def build(spec: ClassifierSpec, classes: int, channels: int = 3, side: int | None = None) -> nn.Module:
    """A network with weights drawn from the spec's seed; takes what `prepare_for` makes, gives logits.

    ``side`` is that of the images it will see (default: the spec's px).  A view that the network is not made
    for is a `FacetoryError`.
    """
    import torch

    if spec.view not in (seen := VIEWS.get(spec.network, ("faces",))):
        fit = [name for name in get_args(Network) if spec.view in VIEWS.get(name, ("faces",))]
        raise FacetoryError(
            f"{spec.network} sees {seen[0]} alone; view '{spec.view}' is for {', '.join(fit)}. Change one of "
            "them."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_key(spec.seed, "classifier", "weights") >> 1)
        return _build(spec, classes, channels, side or spec.px)


def _build(spec: ClassifierSpec, classes: int, channels: int, side: int) -> nn.Module:
    match spec.network:
        case "cnn":
            from facetory.recognition.cnn import cnn

            return cnn(channels, side, classes, CNN_WIDTHS[spec.size], CNN_DROPOUT)
        case "resnet18":
            from facetory.recognition.resnet18 import resnet18

            return resnet18(classes, spec.size)
        case "apvit":
            from facetory.recognition.apvit import apvit

            return apvit(classes, spec.size, PREPROCESSING["apvit"].px if spec.size == "paper" else side)
        case "poster":
            from facetory.recognition.poster import poster

            return poster(classes, spec.size)
        case "posterpp":
            from facetory.recognition.posterpp import posterpp

            return posterpp(classes, spec.size)
        case "vit":
            from facetory.recognition.vit import vit

            return vit(classes, spec.size, side)
        case "latent_cnn":
            from facetory.recognition.latent_cnn import latent_cnn

            return latent_cnn(channels, side, classes, spec.size)


def prepare_for(spec: ClassifierSpec) -> Prepare:
    """The function from images (batch, C, h, w), uint8 faces or float latents, to a network's input.

    A network of the paper's size gets faces of the size that its authors give it, a small one faces of px.
    """
    import torch

    if spec.network in VIEWS:
        return torch.Tensor.float
    px = None if spec.size == "paper" else spec.px
    return lambda images: prepare(images, spec.network, px)


def load(folder: Path | str, spec: ClassifierSpec, device: str = "cpu") -> tuple[nn.Module, list[str]]:
    """A trained network and the classes of its outputs, from the folder of `train_classifier`.

    Weights of another architecture are a `FacetoryError`.
    """
    path = Path(folder) / "weights.safetensors"
    about: dict[str, Any] = read_metadata(path)
    with open_tensors(path, "pt") as handle:
        tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    network = build(spec, len(about["classes"]), about["channels"], about["side"])
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise FacetoryError(
            f"{path}: holds another network than {spec.id} ({error}). Train it again."
        ) from error
    return network.to(device).eval(), about["classes"]


MEASURED = {"cnn": (3, 64), "latent_cnn": (4, 32)}
"""Channels and side of the images for which parameters are counted, where they change the count."""


class Count(NamedTuple):
    """Numbers of parameters: as published, as the authors' code has them, and ours of both sizes."""

    published: int | None
    authors: int | None
    paper: int
    small: int


def counts(classes: int) -> dict[str, Count]:
    """The number of parameters of every network."""
    import torch

    from facetory.recognition.checkpoint import LISTS

    found = {}
    with torch.device("meta"):
        for name in get_args(Network):
            channels, px = MEASURED.get(name, (3, 112))
            paper, small = (
                _build(
                    ClassifierSpec(network=name, size=size, dataset="", px=px, steps=0), classes, channels, px
                )
                for size in ("paper", "small")
            )
            told = read_json(listed)["parameters"] if (listed := LISTS / f"{name}.json").exists() else {}
            theirs = (told.get("published"), told.get("authors"))
            found[name] = Count(*theirs, parameters(paper), parameters(small))
    return found


def parameters(network: nn.Module) -> int:
    """The number of a network's parameters."""
    return sum(weight.numel() for weight in network.parameters())
