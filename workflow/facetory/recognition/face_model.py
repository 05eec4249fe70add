"""A trained face recogniser as a function from faces to features."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facetory.pipeline.files import FacetoryError, open_tensors, read_metadata

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = "weights.safetensors"
BATCH = 128
"""Faces in a forward pass, where nobody says otherwise."""

Describe = Callable[[np.ndarray], np.ndarray]
"""Faces, RGB uint8 (n, 3, h, w), to raw features (n, d) float32."""


def load_face_recognizer(
    folder: Path | str, device: str = "cpu", batch_size: int = BATCH
) -> tuple[Describe, dict[str, Any]]:
    """The function of a recogniser's folder (`face_train.train_face_recognizer`), and what its file says.

    Faces of another size are resized to that of training.  A missing or foreign file is a `FacetoryError`.
    """
    from facetory.recognition.iresnet import iresnet

    path = Path(folder) / WEIGHTS
    about = read_metadata(path)
    with open_tensors(path, "pt") as handle:
        tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    try:
        network = iresnet(about["network"], about["px"], about["embedding"])
        network.load_state_dict(tensors)
    except (KeyError, RuntimeError) as error:
        raise FacetoryError(f"{path}: holds no face recogniser of ours ({error}). Train it again.") from error
    return describing(network.to(device).eval(), about["px"], device, batch_size), about


def describing(network: nn.Module, px: int, device: str, batch_size: int = BATCH) -> Describe:
    """The function of a network in evaluation mode; a face's features do not depend on the others.

    Every forward pass has ``batch_size`` faces, the last one filled up: kernels are chosen by that size, and
    a face's features change with the kernel.
    """
    import torch

    from facetory.recognition.iresnet import normalised

    def describe(images: np.ndarray) -> np.ndarray:
        parts = []
        with torch.inference_mode():
            for first in range(0, len(images), batch_size):
                part = images[first : first + batch_size]
                filled = np.concatenate([part, np.repeat(part[-1:], batch_size - len(part), axis=0)])
                features = network(normalised(torch.from_numpy(filled).to(device), px))
                parts.append(features[: len(part)].float().cpu().numpy())
        return np.concatenate(parts)

    return describe
