"""Corruptions of EmoDC's robustness tests (Section IV-C6): Gaussian noise and Gaussian blur, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from facetory.pipeline.randomness import normal, sample_keys, stream_key
from facetory.pipeline.suggest import unknown

CLEAN = "clean"
NOISE, BLUR = (10, 20, 30, 40, 50), (2, 5, 10, 15)
"""Standard deviations: of noise on the 0–255 scale (Table VI), of blur in pixels (Table VII)."""
KERNEL = 15
_LEVELS = {f"noise{level}": ("noise", level) for level in NOISE} | {
    f"blur{level}": ("blur", level) for level in BLUR
}
NAMES = tuple(_LEVELS)
"""The nine corruptions, in the paper's order."""


def parse(name: str) -> tuple[str, int]:
    """Kind and standard deviation of a corruption: "noise30" is ("noise", 30); "clean" is ("clean", 0).

    A name that is neither "clean" nor one of `NAMES` is a `FacetoryError`.
    """
    if name == CLEAN:
        return CLEAN, 0
    if name not in _LEVELS:
        raise unknown("corruption", name, (CLEAN, *NAMES), "faces")
    return _LEVELS[name]


def corrupt(image: np.ndarray, name: str, sample_id: str, seed: int = 0) -> np.ndarray:
    """An RGB image, uint8 (height, width, 3), under one corruption; "clean" leaves it as it is."""
    return corrupted(image, (name,), sample_id, seed)[0]


def corrupted(image: np.ndarray, names: Sequence[str], sample_id: str, seed: int = 0) -> list[np.ndarray]:
    """An RGB image, uint8 (height, width, 3), under several corruptions, each uint8 of its shape.

    Noise is a function of (seed, sample id, pixel): all its levels scale one standard normal field, so they
    are paired.  Sums are clipped to 0 … 255 and rounded.
    """
    field = cache(lambda: standard_noise(image.shape, sample_id, seed))
    apply: dict[str, Callable[[int], np.ndarray]] = {
        CLEAN: lambda _: image,
        "noise": lambda sigma: _rounded(image + sigma * field()),
        "blur": lambda sigma: _rounded(blur(image, sigma)),
    }
    return [apply[kind](sigma) for kind, sigma in map(parse, names)]


def standard_noise(shape: tuple[int, ...], sample_id: str, seed: int) -> np.ndarray:
    """A sample's standard normal field, float32, of an image's shape."""
    key = stream_key(seed, "corruption noise")
    return normal(key, sample_keys([sample_id]), 0, int(np.prod(shape))).reshape(shape)


def gaussian_kernel(sigma: float, size: int = KERNEL) -> np.ndarray:
    """Weights exp(−i² / 2σ²), i = −(size−1)/2 … (size−1)/2, summing to 1, (size,): the window cuts the tails.

    As OpenCV's ``getGaussianKernel``.  At σ = 15 the 15 weights are almost equal, and σ = 10 is close to it.
    """
    offsets = np.arange(size) - (size - 1) / 2
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    return weights / weights.sum()


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """An image (height, width, channels) convolved with the 15 × 15 Gaussian window, float32.

    Beyond the edges the image is mirrored about its outermost pixels, which are not repeated: as OpenCV's
    ``GaussianBlur`` by default (BORDER_REFLECT_101), to the rounding of its fixed-point weights.
    """
    weights, edge = gaussian_kernel(sigma).astype(np.float32), KERNEL // 2
    height, width = image.shape[:2]
    padded = np.pad(image.astype(np.float32), ((edge, edge), (edge, edge), (0, 0)), mode="reflect")
    rows = sum(weight * padded[i : i + height] for i, weight in enumerate(weights))
    return sum(weight * rows[:, i : i + width] for i, weight in enumerate(weights))


def _rounded(pixels: np.ndarray) -> np.ndarray:
    return np.rint(pixels.clip(0, 255)).astype(np.uint8)
