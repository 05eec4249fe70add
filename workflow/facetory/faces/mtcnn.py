"""Face detection by MTCNN (Zhang et al., 2016) with facenet-pytorch's networks and weights.

facenet-pytorch imports two functions of torchvision.  Where torchvision is absent or does not fit the
installed torch, stub modules carry our own versions of the two during that import, and are removed after it,
so that no other library takes them for torchvision.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from facetory.pipeline.files import FacetoryError

LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
"""The detector's five points, in its order; left and right as the viewer sees them."""


SMALLEST_FACE = 12


class Detection(NamedTuple):
    """Settings of the detector.

    The first look is at the picture resized (up or down) to a longer side of ``px``, for faces of at least
    ``min_face`` times that side: portraits and crops of any size cost the same.  Where it finds none, a
    second look follows at up to ``fine_px``, for faces of at least ``fine_min_face`` pixels of the picture.
    ``thresholds`` are what the scores of the proposal, refinement and output networks must exceed, ``factor``
    is the step of the image pyramid.
    """

    px: int = 160
    min_face: float = 0.25
    fine_px: int = 512
    fine_min_face: int = 20
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)
    factor: float = 0.709


class Faces(NamedTuple):
    """``boxes`` (n, 4) as x0, y0, x1, y1; ``probabilities`` (n,); ``landmarks`` (n, 5, 2); all float64."""

    boxes: np.ndarray
    probabilities: np.ndarray
    landmarks: np.ndarray


NO_FACES = Faces(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2)))


def batched_nms(boxes: Any, scores: Any, groups: Any, iou_threshold: float) -> Any:
    """Greedy non-maximum suppression within each group, as ``torchvision.ops.batched_nms``.

    ``boxes`` (n, 4), ``scores`` and ``groups`` (n,) are tensors.  A box goes when its intersection over union
    with a kept box of its group and of higher score exceeds ``iou_threshold``.  Returns the indices kept,
    int64, by descending score.
    """
    import torch

    order = torch.argsort(scores, descending=True, stable=True)
    boxes, groups = boxes[order], groups[order]
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    corner = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    size = (corner - torch.maximum(boxes[:, None, :2], boxes[None, :, :2])).clamp(min=0)
    shared = size[..., 0] * size[..., 1]
    overlaps = shared > iou_threshold * (area[:, None] + area[None, :] - shared)
    overlaps = (overlaps & (groups[:, None] == groups[None, :])).cpu().numpy()
    kept = np.ones(len(overlaps), dtype=bool)
    for i in range(len(kept)):
        if kept[i]:
            kept[i + 1 :] &= ~overlaps[i, i + 1 :]
    return order[torch.from_numpy(kept).to(order.device)]


def to_tensor(image: np.ndarray) -> Any:
    """torchvision's ``to_tensor`` for an array (h, w, c): a tensor (c, h, w), bytes divided by 255."""
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    return tensor.float() / 255 if tensor.dtype == torch.uint8 else tensor


def torchvision_works() -> bool:
    """Whether torchvision can be imported; a failed import leaves none of its modules behind."""
    try:
        importlib.import_module("torchvision.ops")
        importlib.import_module("torchvision.transforms")
    except (ImportError, RuntimeError, AttributeError):
        _forget_torchvision()
        return False
    return True


def _forget_torchvision() -> None:
    for name in [n for n in sys.modules if n == "torchvision" or n.startswith("torchvision.")]:
        del sys.modules[name]


@contextmanager
def torchvision_stubs() -> Iterator[None]:
    """While inside, ``torchvision`` is a stub with the two functions that facenet-pytorch imports."""
    names = ("torchvision", *(f"torchvision.{n}" for n in ("transforms", "transforms.functional", "ops")))
    modules = {name: ModuleType(name) for name in (*names, "torchvision.ops.boxes")}
    modules["torchvision.transforms.functional"].to_tensor = to_tensor  # type: ignore[attr-defined]
    modules["torchvision.ops.boxes"].batched_nms = batched_nms  # type: ignore[attr-defined]
    for name, module in modules.items():
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(modules[parent], child, module)
    sys.modules.update(modules)
    try:
        yield
    finally:
        _forget_torchvision()


@lru_cache(maxsize=1)
def facenet() -> Any:
    """The module ``facenet_pytorch``, imported with torchvision where that works and with stubs where not."""
    try:
        if torchvision_works():
            return importlib.import_module("facenet_pytorch")
        with torchvision_stubs():
            return importlib.import_module("facenet_pytorch")
    except ModuleNotFoundError as error:
        raise FacetoryError(
            f"facenet-pytorch cannot be imported ({error}). Install it without its pins: "
            "pip install --no-deps facenet-pytorch==2.5.3"
        ) from error


@lru_cache(maxsize=4)
def _detector(thresholds: tuple[float, float, float], factor: float) -> Any:
    import torch

    detector = facenet().MTCNN(thresholds=list(thresholds), factor=factor, keep_all=True)
    return detector.to(memory_format=torch.channels_last)  # max-pooling is several times faster


def find_faces(image: np.ndarray, settings: Detection, min_probability: float) -> Faces:
    """The faces of an RGB image (uint8, (height, width, 3)) by one or two looks, coordinates in its pixels.

    Small pictures (48 × 48 of FER2013) are enlarged for the detector, whose networks see nothing below 12
    pixels.  The second look is taken when the first finds no face of at least ``min_probability``, and stands
    when it finds one.
    """
    first = detect(image, settings.px, settings.min_face * settings.px, settings)
    if (first.probabilities >= min_probability).any():
        return first
    second = look_closer(image, settings)
    return second if (second.probabilities >= min_probability).any() else first


def look_closer(image: np.ndarray, settings: Detection) -> Faces:
    """The second look of `find_faces`: at up to ``fine_px``, for small faces too."""
    longer = max(image.shape[:2])
    px = max(settings.px, min(settings.fine_px, longer))
    return detect(image, px, settings.fine_min_face * px / longer, settings)


def detect(image: np.ndarray, px: int, min_face_px: float, settings: Detection = Detection()) -> Faces:
    """MTCNN's faces in an RGB image resized to a longer side of ``px``, coordinates in its own pixels.

    ``min_face_px`` is the smallest face searched for, in pixels of the resized image.
    """
    height, width = image.shape[:2]
    scale = px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if min(size) < SMALLEST_FACE:
        return NO_FACES
    resized = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    detector = _detector(settings.thresholds, settings.factor)
    detector.min_face_size = max(SMALLEST_FACE, round(min(min_face_px, *size)))
    boxes, probabilities, landmarks = detector.detect(resized, landmarks=True)
    if boxes is None:
        return NO_FACES
    unscale = np.array([width / size[0], height / size[1]])
    return Faces(
        np.asarray(boxes, dtype=np.float64) * np.tile(unscale, 2),
        np.asarray(probabilities, dtype=np.float64),
        np.asarray(landmarks, dtype=np.float64) * unscale,
    )
