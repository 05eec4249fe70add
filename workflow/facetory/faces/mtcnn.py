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
    """Settings of the detector; sizes in pixels of the image it looks at.

    ``detection_px`` is the longer side to which every image is resized before detection (up or down),
    ``min_face`` the smallest face searched for as a fraction of that, ``thresholds`` the scores that the
    proposal, refinement and output networks must exceed, ``factor`` the step of the image pyramid.
    """

    detection_px: int = 160
    min_face: float = 0.25
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)
    factor: float = 0.709


class Faces(NamedTuple):
    """``boxes`` (n, 4) as x0, y0, x1, y1; ``probabilities`` (n,); ``landmarks`` (n, 5, 2); all float64."""

    boxes: np.ndarray
    probabilities: np.ndarray
    landmarks: np.ndarray


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
    except (ImportError, RuntimeError):
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


@lru_cache(maxsize=8)
def _detector(min_face_px: int, thresholds: tuple[float, float, float], factor: float) -> Any:
    return facenet().MTCNN(
        min_face_size=min_face_px, thresholds=list(thresholds), factor=factor, keep_all=True
    )


def detect(image: np.ndarray, settings: Detection = Detection()) -> Faces:
    """All faces of an RGB image (uint8, (height, width, 3)), coordinates in its own pixels.

    The image is resized so that its longer side is ``settings.detection_px``: large photographs become cheap,
    and small crops (48 × 48 of FER2013) large enough for the networks, whose smallest face is 12 pixels.
    """
    height, width = image.shape[:2]
    scale = settings.detection_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if min(size) < SMALLEST_FACE:
        return Faces(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2)))
    seen = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    min_face_px = max(SMALLEST_FACE, min(round(settings.min_face * settings.detection_px), *size))
    detector = _detector(min_face_px, settings.thresholds, settings.factor)
    boxes, probabilities, landmarks = detector.detect(seen, landmarks=True)
    if boxes is None:
        return Faces(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2)))
    unscale = np.array([width / size[0], height / size[1]])
    return Faces(
        np.asarray(boxes, dtype=np.float64) * np.tile(unscale, 2),
        np.asarray(probabilities, dtype=np.float64),
        np.asarray(landmarks, dtype=np.float64) * unscale,
    )
