"""Expression classifiers in their authors' files, wrappers and all: APViT, POSTER, POSTER++ and a ViT."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.pipeline.files import read_json
from facetory.recognition.checkpoint import LISTS, own_name
from facetory.rehearsal.random_weights import calibrate, centre, fill, hollow, pictures, random_tensors
from facetory.rehearsal.saving import foreign_class, save_safetensors, save_torch

if TYPE_CHECKING:
    from torch import Tensor, nn

FILES = {
    "apvit": "apvit_rafdb.pth",
    "poster": "poster_rafdb.pth",
    "posterpp": "posterpp_rafdb.pth",
    "vit": "facial_emotions_image_detection.safetensors",
}
"""Names in ``<data_root>/checkpoints``."""
PX = {"apvit": 112, "poster": 112, "posterpp": 112, "vit": 224}
FACES = 8
CLASSES = 7


def classifier(name: str, data_root: Path) -> None:
    """Write the named classifier's file: finite logits that differ between faces."""
    listed = read_json(LISTS / f"{name}.json")
    network = fill(_new(name))
    images = pictures(FACES, PX[name])
    calibrate(network, images)
    centre(network, _head(network, listed), images)
    state = network.state_dict()
    weights = {key: state[own_name(key, listed)] for key in listed["weights"]}
    save_authors_file(name, data_root / "checkpoints" / FILES[name], weights, random_tensors(unused(name)))


def unused(name: str) -> dict[str, list[int]]:
    """Shapes of what the authors' file holds and our network leaves out."""
    return read_json(LISTS / f"{name}.json").get("unused", {})


def save_authors_file(
    name: str, path: Path, weights: Mapping[str, Tensor], rest: Mapping[str, Tensor] | None = None
) -> None:
    """Write a network's ``weights`` under the authors' names with the ``rest`` that they keep.

    Without ``rest``, what our network leaves out is zero (`unused`).
    """
    tensors = {**weights, **(hollow(unused(name)) if rest is None else rest)}
    parallel = {f"module.{key}": tensor for key, tensor in tensors.items()}
    if name == "vit":
        save_safetensors(path, tensors)
    elif name == "apvit":
        save_torch(path, {"meta": {"epoch": 40, "iter": 15_400, "CLASSES": None}, "state_dict": tensors})
    elif name == "poster":
        optimiser = {"state": {}, "param_groups": [{"lr": 4e-05, "params": [0]}]}
        save_torch(path, {"iter": 60, "model_state_dict": parallel, "optimizer_state_dict": optimiser})
    else:
        _save_posterpp(path, parallel)


def _save_posterpp(path: Path, tensors: dict[str, Tensor]) -> None:
    """The training script's own class keeps the curve beside the weights."""
    import numpy as np
    import torch

    with foreign_class("__main__.RecorderMeter") as recorder:
        curve: Any = recorder()
        curve.total_epoch, curve.epoch_losses = 2, np.ones((2, 2), np.float32)
        best = torch.tensor(92.21)
        save_torch(path, {"epoch": 60, "state_dict": tensors, "best_acc": best, "recorder": curve})


def _new(name: str) -> nn.Module:
    from facetory.recognition.apvit import apvit
    from facetory.recognition.poster import poster
    from facetory.recognition.posterpp import posterpp
    from facetory.recognition.vit import vit

    networks: dict[str, Any] = {"apvit": apvit, "poster": poster, "posterpp": posterpp, "vit": vit}
    return networks[name](CLASSES)


def _head(network: nn.Module, listed: Mapping[str, Any]) -> Any:
    return network.get_submodule(own_name(listed["head"][0], listed).removesuffix(".weight"))
