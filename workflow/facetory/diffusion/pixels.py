"""Pixels on their way into and out of the autoencoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def to_unit(pixels: Tensor) -> Tensor:
    """uint8 pixels as float32 in -1 … 1."""
    return pixels.float() / 127.5 - 1


def to_levels(images: Tensor) -> Tensor:
    """Images in -1 … 1, clipped to it, as levels 0 … 255 that are not rounded: a gradient passes."""
    return (images.clamp(-1, 1) + 1) * 127.5


def to_pixels(images: Tensor) -> Tensor:
    """Images in -1 … 1, clipped to it, as uint8 pixels."""
    return to_levels(images).round().byte()


def psnr(first: Tensor, second: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of images in -1 … 1, clipped to it, shape (batch,)."""
    error = (first.clamp(-1, 1) - second.clamp(-1, 1)).square().flatten(1).mean(1)
    return 10 * (4 / error.clamp(min=1e-10)).log10()
