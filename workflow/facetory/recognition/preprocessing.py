"""What each discriminative network is fed: size, order of channels, mean and standard deviation."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from facetory.pipeline.suggest import unknown

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


class Preprocessing(NamedTuple):
    """Faces are resized to ``px``; ``mean`` and ``std`` (on 0 … 1) belong to channels in ``order``."""

    px: int
    order: str = "RGB"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


PREPROCESSING = {
    "apvit": Preprocessing(112),
    "poster": Preprocessing(224, "BGR"),
    "posterpp": Preprocessing(224),
    "resnet18": Preprocessing(224),
}
"""As the released code has it.

POSTER reads RAF-DB with OpenCV and leaves its BGR order, under ImageNet's RGB mean and deviation (its
AffectNet loader turns to RGB).  POSTER and POSTER++ resize to 224 and take every second pixel themselves.
"""


def prepare(images: np.ndarray | Tensor, network: str, px: int | None = None) -> Tensor:
    """RGB faces (n, 3, h, w) uint8 as a network's float32 input (n, 3, px, px), in its order and units.

    Resized as PIL does, bilinearly with anti-aliasing and rounded to whole levels, to the network's own size
    or to ``px``.  A network without fixed preprocessing is a `FacetoryError`.
    """
    import torch
    import torch.nn.functional as F

    if network not in PREPROCESSING:
        raise unknown("network", network, PREPROCESSING, "preprocessing")
    fixed = PREPROCESSING[network]
    faces = torch.as_tensor(images).float()
    if faces.shape[-2:] != (side := px or fixed.px, side):
        faces = F.interpolate(faces, (side, side), mode="bilinear", antialias=True).round().clamp(0, 255)
    faces = faces.div(255)[:, ["RGB".index(channel) for channel in fixed.order]]
    mean, std = (faces.new_tensor(values)[:, None, None] for values in (fixed.mean, fixed.std))
    return (faces - mean) / std
