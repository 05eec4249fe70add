"""Latents: what the autoencoder makes of a face, its flipped twin included."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.diffusion.pixels import to_unit
from facetory.pipeline.files import FacetoryError

if TYPE_CHECKING:
    from torch import Tensor


EXACT = -1000.0
"""The log-variance of what has none: its standard deviation underflows to 0, so draws are the mean itself."""


def posterior(vae: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log-variance of the posterior, each (batch, C, h, w), of images (…, 3, px, px) in -1 … 1.

    A vector-quantised autoencoder (`diffusion.vq`) has no posterior: the mean is what its encoder says, which
    its decoder quantises, and the log-variance is `EXACT`.
    """
    encoded = vae.encode(images)
    if hasattr(encoded, "latents"):
        return encoded.latents, encoded.latents.new_full(encoded.latents.shape, EXACT)
    return encoded.latent_dist.mean, encoded.latent_dist.logvar


def sample_posterior(mean: Tensor, logvar: Tensor, noise: Tensor, scaling_factor: float) -> Tensor:
    """Scaled draws (mean + std · noise) · scaling_factor; all of one shape (batch, C, h, w)."""
    return (mean + (0.5 * logvar).exp() * noise) * scaling_factor


def both_flips(vae: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log-variance of uint8 pixels (batch, 3, px, px) and their mirror images, (batch, 2, C, h, w).

    The mirror image is encoded itself: flipping a latent is not encoding a flipped image.
    """
    images = to_unit(pixels.to(vae.device)).to(vae.dtype)
    mean, logvar = zip(posterior(vae, images), posterior(vae, images.flip(-1)), strict=True)
    return _paired(mean), _paired(logvar)


def require_mirror_images(mean: Any, path: Path | str) -> None:
    """Raise a `FacetoryError` where latents (n, V, C, h, w) hold no mirror images to train on (V = 1)."""
    if mean.shape[1] < 2:
        raise FacetoryError(
            f"{path}: holds no mirror images, which training draws from: latents of corrupted faces serve "
            "evaluation alone. Train on the latents of the clean faces."
        )


def _paired(parts: tuple[Tensor, ...]) -> Tensor:
    import torch

    return torch.stack(parts, 1)
