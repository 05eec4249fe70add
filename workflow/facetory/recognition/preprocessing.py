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
    "vit": Preprocessing(224, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
}
"""As the released code has it.

POSTER reads RAF-DB with OpenCV and leaves its BGR order, under ImageNet's RGB mean and deviation (its
AffectNet loader turns to RGB).  POSTER and POSTER++ resize to 224 and take every second pixel themselves.
"""


def prepare(images: np.ndarray | Tensor, network: str, px: int | None = None) -> Tensor:
    """RGB levels 0 … 255 (n, 3, h, w) as a network's float32 input (n, 3, px, px), in its order and units.

    `resized` to the network's own size or to ``px``.  A network without fixed preprocessing is a
    `FacetoryError`.
    """
    if network not in PREPROCESSING:
        raise unknown("network", network, PREPROCESSING, "preprocessing")
    fixed = PREPROCESSING[network]
    faces = resized(images, px or fixed.px).div(255)[:, ["RGB".index(channel) for channel in fixed.order]]
    mean, std = (faces.new_tensor(values)[:, None, None] for values in (fixed.mean, fixed.std))
    return (faces - mean) / std


def resized(images: np.ndarray | Tensor, px: int) -> Tensor:
    """Images (n, C, h, w) as float32 (n, C, px, px), bilinearly with anti-aliasing as PIL does.

    uint8 images are rounded to whole levels; floating-point ones are not, so that gradients pass.
    """
    import torch
    import torch.nn.functional as F

    given = torch.as_tensor(images)
    if given.shape[-2:] == (px, px):
        return given.float()
    found = F.interpolate(given.float(), (px, px), mode="bilinear", antialias=True)
    return found if given.is_floating_point() else found.round().clamp(0, 255)
