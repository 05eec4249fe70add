"""Identity by the project's own small networks: IResNet learnt on renders, for the demo."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facetory.pipeline.files import read_metadata, write_tensors
from facetory.recognition.features import filled
from facetory.recognition.iresnet import IResNet, iresnet, normalised
from facetory.recognition.judges_catalogue import IDENTITY, checked

if TYPE_CHECKING:
    from torch import Tensor

NETWORK = "small"


def demo_embedder(
    name: str, device: str = "cpu", data_root: Path | str = "data"
) -> Callable[[np.ndarray], Tensor]:
    """A function from tight crops of faces, RGB uint8 (n, 3, h, w), to raw features (n, d).

    ``name`` is "demo_context" or "demo_judge", of the models/demo-identity that come with the project; faces
    are resized to the side that they learnt on.
    """
    import torch

    network, px = read_network(checked(IDENTITY[name], data_root))
    network.to(device)

    def describe(images: np.ndarray) -> Tensor:
        return network(normalised(torch.from_numpy(images).to(device), px))

    return describe


def write_network(network: IResNet, px: int, path: Path | str) -> None:
    """Write a network for faces of ``px``, so that `read_network` builds it again."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    write_tensors(path, weights, {"network": NETWORK, "px": px, "embedding": network.fc.out_features})


def read_network(path: Path | str) -> tuple[IResNet, int]:
    """The frozen network of a file of `write_network`, and the side of its faces."""
    about = read_metadata(path)
    network = iresnet(about["network"], about["px"], about["embedding"])
    filled(network, Path(path))
    return network, about["px"]
