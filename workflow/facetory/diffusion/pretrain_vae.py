"""Pretraining the demo's autoencoder, as a task of the training loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from facetory.diffusion.latents import posterior, sample_posterior
from facetory.diffusion.pixels import psnr, to_unit
from facetory.pipeline import randomness

if TYPE_CHECKING:
    from torch import Tensor

LOGVAR_START = -6.0
LAPLACIAN_LEVELS = 3
VALIDATED = 512


class Autoencoding:
    """Reconstruct images: L1 + L2 + Laplacian pyramid + a small Kullback-Leibler term.

    ``images`` uint8 (n, 3, px, px) on the device, ``keys`` int64 (n,) there too; ``held_out`` bool (n,).
    The fraction ``grey`` of the images is shown without colour, for faces that were photographed so.
    """

    def __init__(
        self,
        vae: Any,
        images: Tensor,
        keys: Tensor,
        held_out: np.ndarray,
        seed: int,
        kl_weight: float = 1e-4,
        compiled: bool = False,
        grey: float = 0.0,
    ) -> None:
        self.vae, self.images, self.keys = vae, images, keys
        self.training = torch.from_numpy(np.flatnonzero(~held_out)).to(images.device)
        self.held_out = torch.from_numpy(np.flatnonzero(held_out)[:VALIDATED]).to(images.device)
        side = images.shape[-1] // 2 ** (len(vae.config.block_out_channels) - 1)
        self.latent_shape = (vae.config.latent_channels, side, side)
        self.size, self.kl_weight, self.grey = len(self.training), kl_weight, grey
        self.streams = [randomness.stream_key(seed, "vae", purpose) for purpose in ("flip", "noise")]
        self.terms: Any = torch.compile(self._terms) if compiled else self._terms

    def modules(self) -> dict[str, torch.nn.Module]:
        return {"vae": self.vae}

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.vae.parameters())}]

    def loss(self, positions: np.ndarray, step: int) -> tuple[Tensor, dict[str, float | Tensor]]:
        rows = self.training[torch.from_numpy(positions).to(self.images.device, non_blocking=True)]
        at = torch.full((), step, dtype=torch.int64, device=self.images.device)
        flip, grey, noise = self._draws(self.keys[rows], at)
        images = torch.where(grey, luminance(self.images[rows]), self.images[rows])
        l1, l2, laplacian, kl = self.terms(images, flip, noise)
        loss = l1 + l2 + laplacian + self.kl_weight * kl
        return loss, {
            "l1": l1.detach(),
            "l2": l2.detach(),
            "laplacian": laplacian.detach(),
            "kl": kl.detach(),
        }

    def _draws(self, keys: Tensor, step: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Whether to flip, whether to take the colour away, both (batch, 1, 1, 1), and posterior noise.

        They stay outside of what is compiled: inductor does not keep the generator's wrapping products.
        """
        flip, grey = randomness.uniform(self.streams[0], keys, step, 2)[:, :, None, None, None].unbind(1)
        noise = randomness.normal(self.streams[1], keys, step, int(np.prod(self.latent_shape)))
        return flip < 0.5, grey < self.grey, noise.reshape(-1, *self.latent_shape)

    def _terms(self, pixels: Tensor, flip: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        images = to_unit(pixels)
        images = torch.where(flip, images.flip(-1), images)
        mean, logvar = (part.float() for part in posterior(self.vae, images))
        difference = self.vae.decode(sample_posterior(mean, logvar, noise, 1.0)).sample.float() - images
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        return difference.abs().mean(), difference.square().mean(), laplacian_l1(difference), kl

    def validate(self, step: int) -> dict[str, float]:
        """PSNR (dB) of held-out reconstructions from posterior means: whole images and middle halves."""
        whole, middle = [], []
        for rows in self.held_out.split(64):
            images = to_unit(self.images[rows])
            again = self.vae.decode(posterior(self.vae, images)[0]).sample.float()
            px = images.shape[-1]
            crop = (..., slice(px // 4, px - px // 4), slice(px // 4, px - px // 4))
            whole.append(psnr(again, images))
            middle.append(psnr(again[crop], images[crop]))
        return {"psnr": float(torch.cat(whole).mean()), "psnr_middle": float(torch.cat(middle).mean())}


def luminance(pixels: Tensor) -> Tensor:
    """RGB uint8 (n, 3, h, w) as grey uint8 of the same shape (ITU-R BT.601, as PIL's mode L)."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=pixels.device)[:, None, None]
    grey = (pixels.float() * weights).sum(1, keepdim=True).round().to(torch.uint8)
    return grey.expand_as(pixels)


def start_small_variance(vae: Any) -> None:
    """Let the posterior start with log-variance -6, so that training starts as a plain autoencoder's."""
    bias = vae.quant_conv.bias
    with torch.no_grad():
        bias[len(bias) // 2 :] = LOGVAR_START


def laplacian_l1(difference: Tensor) -> Tensor:
    """Mean absolute value of each level of the Laplacian pyramid of a difference, summed (edges and details).

    The pyramid is linear, so it may be taken of the difference (Bojanowski et al. 2018, Section 3.2, with
    box filters and equal weights).
    """
    total = difference.new_zeros(())
    for _ in range(LAPLACIAN_LEVELS):
        coarse = F.avg_pool2d(difference, 2)
        total = total + (difference - F.interpolate(coarse, scale_factor=2, mode="nearest")).abs().mean()
        difference = coarse
    return total
