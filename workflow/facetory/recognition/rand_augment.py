"""The RandAugment of IDiff-Face's face recognition (after Cubuk et al. 2020), with names for its draws.

A face is mirrored with probability ½; then ``operations`` of the table below are drawn with equal chances,
with replacement.  Each gets a magnitude of its own, uniform in 1 … ``magnitude`` of 30, and where the table
has a ± a random sign.  With t = magnitude / 30 they do, on RGB uint8:

    identity      nothing
    shear_x       row y moves left by ±0.3 t (y + ½) pixels
    translate_x   moves right by ±⌊150/331 · t · side⌋ pixels
    rotate        turns by ±30 t degrees about the centre, counter-clockwise
    brightness    1 ± 0.9 t times itself
    color         its grey image + (1 ± 0.9 t) times the difference to it
    contrast      its mean grey + (1 ± 0.9 t) times the difference to it
    sharpness     its smoothed image + (1 ± 0.9 t) times the difference to it
    posterize     keeps the first 8 − round(4 t) bits
    solarize      inverts levels from 255 (1 − t) on
    autocontrast  stretches each channel to 0 … 255
    equalize      equalises each channel's histogram
    grayscale     its grey image

Pixels are moved to the nearest place; what comes from outside is black.  The published RandAugment also
shears and translates along y, uses one magnitude for all, and has no grayscale.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from facetory.pipeline.files import FacetoryError
from facetory.pipeline.randomness import uniform

BINS = 30
"""The magnitude at which t = 1."""
DRAWS = 3
"""Random numbers for each operation: which, how much, which sign."""


def augmented(faces: np.ndarray, draws: np.ndarray, magnitude: int) -> np.ndarray:
    """Faces, uint8 (n, 3, px, px), mirrored and changed as their `drawn` numbers say; new arrays."""
    return np.stack([_changed(face, numbers, magnitude) for face, numbers in zip(faces, draws, strict=True)])


def drawn(key: int, samples: np.ndarray, step: int, operations: int) -> np.ndarray:
    """The numbers in (0, 1) that decide, (n, 1 + 3 · operations): functions of key, sample key and step."""
    return uniform(key, samples, step, 1 + DRAWS * operations)


def apply(name: str, face: Image.Image, t: float) -> Image.Image:
    """One operation at t = ±magnitude / 30; a sign counts where the table has one."""
    return OPERATIONS[name](face, t if name in SIGNED else abs(t))


def settings(operations: int, magnitude: int) -> dict[str, Any]:
    """What a manifest says of the augmentation; a magnitude beyond the table is a `FacetoryError`."""
    if not 1 <= magnitude <= BINS:
        raise FacetoryError(f"magnitude {magnitude}: RandAugment's magnitudes go from 1 to {BINS}.")
    if not operations:
        return {"mirrored": 0.5}
    return {"mirrored": 0.5, "operations": operations, "of": list(OPERATIONS), "magnitudes": [1, magnitude]}


def _changed(face: np.ndarray, numbers: np.ndarray, magnitude: int) -> np.ndarray:
    picture = face[..., ::-1] if numbers[0] < 0.5 else face
    if len(numbers) == 1:
        return picture
    image = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))
    names = list(OPERATIONS)
    for which, how_much, sign in numbers[1:].reshape(-1, DRAWS):
        t = (1 + math.floor(how_much * magnitude)) / BINS
        image = apply(names[math.floor(which * len(names))], image, -t if sign < 0.5 else t)
    return np.asarray(image).transpose(2, 0, 1)


def _moved(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, matrix)


def _translated(image: Image.Image, t: float) -> Image.Image:
    return _moved(image, (1, 0, -int(150 / 331 * t * image.width), 0, 1, 0))


def _enhanced(kind: Callable[[Image.Image], Any]) -> Callable[[Image.Image, float], Image.Image]:
    return lambda image, t: kind(image).enhance(1 + 0.9 * t)


SIGNED = ("shear_x", "translate_x", "rotate", "brightness", "color", "contrast", "sharpness")
OPERATIONS: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "identity": lambda image, t: image,
    "shear_x": lambda image, t: _moved(image, (1, 0.3 * t, 0, 0, 1, 0)),
    "translate_x": _translated,
    "rotate": lambda image, t: image.rotate(30 * t),
    "brightness": _enhanced(ImageEnhance.Brightness),
    "color": _enhanced(ImageEnhance.Color),
    "contrast": _enhanced(ImageEnhance.Contrast),
    "sharpness": _enhanced(ImageEnhance.Sharpness),
    "posterize": lambda image, t: ImageOps.posterize(image, 8 - round(4 * t)),
    "solarize": lambda image, t: ImageOps.solarize(image, math.ceil(round(255 * (1 - t), 6))),
    "autocontrast": lambda image, t: ImageOps.autocontrast(image),
    "equalize": lambda image, t: ImageOps.equalize(image),
    "grayscale": lambda image, t: image.convert("L").convert("RGB"),
}
