"""Networks that describe pictures for Fréchet and perceptual distances."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facetory.pipeline.files import FacetoryError
from facetory.recognition.judges_catalogue import FEATURES, checked, entry

if TYPE_CHECKING:
    from torch import nn

BATCH = 8


@dataclass(frozen=True)
class FeatureNetwork:
    """A network from RGB levels (n, 3, h, w) to (maps of several layers, features (n, d)).

    Pictures are uint8 (n, 3, h, w) of any size; it resizes them itself.
    """

    name: str
    network: nn.Module
    device: str = "cpu"

    def embed(self, images: np.ndarray) -> np.ndarray:
        """Features (n, d) float32."""
        return self.compare(images)[0][0]

    def distance(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Perceptual distance (n,) float32 of picture by picture (`perceptual.distance`)."""
        return self.compare(a, b)[1][0]

    def compare(self, images: np.ndarray, *others: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Features of ``images`` and of each of ``others``, and the distances of each of them to ``images``.

        Every picture goes through the network once.
        """
        import torch

        from facetory.recognition.perceptual import distance

        features: list[list[Any]] = [[] for _ in (images, *others)]
        distances: list[list[Any]] = [[] for _ in others]
        with torch.inference_mode():
            for first in range(0, len(images), BATCH):
                batches = (torch.from_numpy(x[first : first + BATCH]).float() for x in (images, *others))
                seen = [self.network(batch.to(self.device)) for batch in batches]
                for kept, (_, found) in zip(features, seen, strict=True):
                    kept.append(found.cpu().numpy())
                for kept, (maps, _) in zip(distances, seen[1:], strict=True):
                    kept.append(distance(seen[0][0], maps).cpu().numpy())
        return [np.concatenate(f) for f in features], [np.concatenate(d) for d in distances]


def feature_network(name: str, device: str = "cpu", data_root: Path | str = "data") -> FeatureNetwork:
    """The named network with its released weights; a `FacetoryError` says what to install or place where."""
    import torch

    path = checked(entry(FEATURES, name, "feature network"), data_root)
    network = filled(_build(name), path).to(device)
    faster: Any = {"memory_format": torch.channels_last}
    return FeatureNetwork(name, network.to(**faster), device)


def _build(name: str) -> nn.Module:
    if name == "inception":
        from facetory.recognition.inception import InceptionV3

        return InceptionV3()
    from facetory.recognition.efficientnet_lite import EfficientNetLite0

    return EfficientNetLite0()


def filled(network: nn.Module, path: Path) -> nn.Module:
    """A network with the weights of a file, all of them and no others, in evaluation mode."""
    from facetory.recognition.checkpoint import read_weights

    try:
        network.load_state_dict(read_weights(path))
    except RuntimeError as error:
        raise FacetoryError(f"{path}: holds another network ({error}). Get the file again.") from error
    return network.eval().requires_grad_(False)
