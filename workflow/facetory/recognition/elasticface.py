"""ElasticFace (Boutros et al. 2022): IResNet-100 learnt on MS1MV2, from its authors' checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facetory.recognition.checkpoint import load
from facetory.recognition.iresnet import iresnet, normalised
from facetory.recognition.judges_catalogue import IDENTITY, checked

if TYPE_CHECKING:
    from torch import Tensor

PX = 112
LISTED = "elasticface_r100"


def elasticface_embedder(
    name: str, device: str = "cpu", data_root: Path | str = "data"
) -> Callable[[np.ndarray], Tensor]:
    """A function from faces on the 112 px template, RGB uint8 (n, 3, h, w), to raw features (n, 512).

    ``name`` is "elasticface_arc" or "elasticface_cos"; faces of another size are resized.  A file that is
    missing, holds code, or differs from IResNet-100 in any name or shape is a `FacetoryError`.
    """
    import torch

    network = iresnet("iresnet100", PX)
    load(network, LISTED, checked(IDENTITY[name], data_root))
    network.to(device).eval()

    def describe(images: np.ndarray) -> Tensor:
        return network(normalised(torch.from_numpy(images).to(device), PX))

    return describe
