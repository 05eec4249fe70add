"""All faces of a photograph, each cut as a single one is for training."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from facetory.faces import mtcnn
from facetory.faces.crop import Alignment, crop, square
from facetory.pipeline.files import FacetoryError


class NoFaceFound(FacetoryError):
    """A picture in which the detector finds no face."""


class Face(NamedTuple):
    """``box`` (4,) x0, y0, x1, y1 in the picture's pixels; ``probability`` of being a face; the aligned
    ``picture``, uint8 (align_px, align_px, 3)."""

    box: np.ndarray
    probability: float
    picture: np.ndarray


def aligned_faces(image: np.ndarray, settings: Alignment) -> list[Face]:
    """Every face of an RGB image (uint8, (height, width, 3)) of at least ``min_probability``, left to right.

    Those that training would have chosen from (`mtcnn.find_faces`) are cut just as it would have cut them; a
    closer look adds the small ones beside them.
    """
    found = mtcnn.find_faces(image, settings.detection, settings.min_probability)
    closer = mtcnn.look_closer(image, settings.detection)
    boxes, probabilities = _probable(found, settings)
    for box, probability in zip(*_probable(closer, settings), strict=True):
        if not any(_same(box, other) for other in boxes):
            boxes.append(box)
            probabilities.append(probability)
    height, width = image.shape[:2]
    faces = [
        Face(
            box.clip(0, [width, height, width, height]),
            float(probability),
            crop(image, square(box, image.shape, settings.margin), settings.align_px),
        )
        for box, probability in zip(boxes, probabilities, strict=True)
    ]
    return sorted(faces, key=lambda face: tuple(face.box))


def _probable(faces: mtcnn.Faces, settings: Alignment) -> tuple[list[np.ndarray], list[float]]:
    kept = faces.probabilities >= settings.min_probability
    return list(faces.boxes[kept]), list(faces.probabilities[kept])


def _same(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two boxes share more than half of the smaller one."""
    sides = (np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])).clip(0)
    smaller = min(np.prod(box[2:] - box[:2]) for box in (first, second))
    return bool(np.prod(sides) > smaller / 2)
