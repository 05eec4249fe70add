"""From a picture to its aligned face: choose one detected face, cut a square with a margin, resize."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from facetory.faces import mtcnn

SELECTIONS = ("largest", "most_central", "most_probable", "none")
"""Which face is taken; "none" looks for none: pictures that come aligned, as CelebA-HQ does, stay whole."""
POINTS = tuple(f"{name}_{axis}" for name in mtcnn.LANDMARKS for axis in "xy")


class Alignment(NamedTuple):
    """What decides an aligned face besides its picture; ``margin`` is a fraction of the box's longer side."""

    align_px: int = 512
    margin: float = 0.15
    selection: str = "largest"
    min_probability: float = 0.9
    detection: mtcnn.Detection = mtcnn.Detection()


def align_image(image: np.ndarray, settings: Alignment) -> tuple[np.ndarray, dict[str, Any]]:
    """The aligned face (align_px, align_px, 3) of an RGB image, and its part of the ledger's row.

    Where no face is probable enough, the whole picture is made square by repeating its edges, and flagged.
    """
    if settings.selection == "none":
        return _whole(image, settings.align_px)
    faces = mtcnn.find_faces(image, settings.detection, settings.min_probability)
    chosen = choose(faces, image.shape, settings.selection, settings.min_probability)
    if chosen is None:
        box = square(np.array([0.0, 0.0, image.shape[1], image.shape[0]]), image.shape, margin=0)
        probability, points = faces.probabilities.max(initial=0.0), [""] * len(POINTS)
    else:
        box, probability = (
            square(faces.boxes[chosen], image.shape, settings.margin),
            faces.probabilities[chosen],
        )
        on_face = (faces.landmarks[chosen] - box[:2]) * (settings.align_px / (box[2] - box[0]))
        points = [f"{value:.2f}" for value in on_face.ravel()]
    row = {
        "status": "kept_whole" if chosen is None else "aligned",
        "faces": int((faces.probabilities >= settings.min_probability).sum()),
        "probability": f"{probability:.5f}",
        **dict(zip(("x0", "y0", "x1", "y1"), (f"{value:.2f}" for value in box), strict=True)),
        **dict(zip(POINTS, points, strict=True)),
    }
    return crop(image, box, settings.align_px), row


def _whole(image: np.ndarray, px: int) -> tuple[np.ndarray, dict[str, Any]]:
    """A picture that comes aligned, as a square, and its part of the ledger's row."""
    box = square(np.array([0.0, 0.0, image.shape[1], image.shape[0]]), image.shape, margin=0)
    places = zip(("x0", "y0", "x1", "y1"), (f"{value:.2f}" for value in box), strict=True)
    unknown = dict.fromkeys(("faces", "probability", *POINTS), "")
    return crop(image, box, px), {"status": "aligned", **dict(places), **unknown}


def choose(faces: mtcnn.Faces, shape: tuple[int, ...], selection: str, min_probability: float) -> int | None:
    """Index of the face to align in an image of ``shape`` (height, width, …); None when none is probable.

    ``largest`` is by box area, ``most_central`` by the distance of the box's centre from the image's,
    ``most_probable`` by the detector's score; ties go to the more probable face.
    """
    boxes, probabilities = faces.boxes, faces.probabilities
    candidates = np.flatnonzero(probabilities >= min_probability)
    if not len(candidates):
        return None
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    offset = (boxes[:, :2] + boxes[:, 2:]) / 2 - np.array([shape[1], shape[0]]) / 2
    merit = {
        "largest": width * height,
        "most_central": -np.hypot(offset[:, 0], offset[:, 1]),
        "most_probable": probabilities,
    }[selection]
    return int(max(candidates, key=lambda i: (merit[i], probabilities[i])))


def square(box: np.ndarray, shape: tuple[int, ...], margin: float) -> np.ndarray:
    """The square about a box (x0, y0, x1, y1) in an image of ``shape`` (height, width, …), as x0, y0, x1, y1.

    On tight crops the detector guesses far beyond the edges, so the box is cut there first.  The side
    is the box's longer side times (1 + margin), and at most the image's longer side.
    """
    height, width = shape[:2]
    visible = box.clip(0, np.array([width, height, width, height]))
    centre = (visible[:2] + visible[2:]) / 2
    side = min((visible[2:] - visible[:2]).max() * (1 + margin), max(height, width))
    return np.concatenate([centre - side / 2, centre + side / 2])


def crop(image: np.ndarray, box: np.ndarray, px: int) -> np.ndarray:
    """A box (x0, y0, x1, y1, fractions allowed) of an RGB image, resized to (px, px, 3) with anti-aliasing.

    Where the box leaves the image, the edge pixels are repeated.
    """
    first, last = np.floor(box[:2]).astype(int), np.ceil(box[2:]).astype(int)
    columns = np.arange(first[0], last[0]).clip(0, image.shape[1] - 1)
    rows = np.arange(first[1], last[1]).clip(0, image.shape[0] - 1)
    region = Image.fromarray(image[np.ix_(rows, columns)])
    x0, y0, x1, y1 = (box - np.tile(first, 2)).tolist()
    return np.asarray(region.resize((px, px), Image.Resampling.BICUBIC, box=(x0, y0, x1, y1)))
