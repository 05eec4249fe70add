"""Pretraining the demo's UNet on latents and captions, as a task of the training loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from facetory.diffusion.latents import sample_posterior
from facetory.diffusion.schedule import add_noise, alphas_cumprod
from facetory.pipeline import randomness

if TYPE_CHECKING:
    from torch import Tensor

NULL_CAPTION = 0.1
VALIDATED = 256
VALIDATION_TIMESTEPS = tuple(range(50, 1000, 100))


class Denoising:
    """Predict the noise in latents from their captions (Ho et al. 2020, Eq. 14); one caption in ten is null.

    ``mean`` and ``logvar`` (n, 2, C, h, w) with the flips on axis 1, ``tokens`` (captions + 1, length, width)
    with the null prompt last, ``caption`` int64 (n, sentences) into them (a step takes
    one of the sentences), ``keys`` int64 (n,): all on the device.
    """

    def __init__(
        self,
        unet: Any,
        mean: Tensor,
        logvar: Tensor,
        scaling_factor: float,
        tokens: Tensor,
        caption: Tensor,
        keys: Tensor,
        held_out: np.ndarray,
        seed: int,
        compiled: bool = False,
    ) -> None:
        self.unet, self.mean, self.logvar, self.scaling_factor = unet, mean, logvar, scaling_factor
        self.tokens, self.caption, self.keys = tokens, caption, keys
        self.training = torch.from_numpy(np.flatnonzero(~held_out)).to(mean.device)
        self.held_out = torch.from_numpy(np.flatnonzero(held_out)[:VALIDATED]).to(mean.device)
        self.size = len(self.training)
        self.alpha_bar = alphas_cumprod().to(mean.device)
        purposes = ("choices", "noise", "validation")
        self.streams = {p: randomness.stream_key(seed, "unet", p) for p in purposes}
        self.error: Any = torch.compile(self._error) if compiled else self._error

    def modules(self) -> dict[str, torch.nn.Module]:
        return {"unet": self.unet}

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.unet.parameters())}]

    def loss(self, positions: np.ndarray, step: int) -> tuple[Tensor, dict[str, float | Tensor]]:
        rows = self.training[torch.from_numpy(positions).to(self.mean.device, non_blocking=True)]
        at = torch.full((), step, dtype=torch.int64, device=self.mean.device)
        return self.error(*self._draws(rows, at)), {}

    def _draws(self, rows: Tensor, step: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Latents, noise, timesteps and tokens of a batch.

        They stay outside of what is compiled: inductor does not keep the generator's wrapping products.
        """
        keys = self.keys[rows]
        choices = randomness.uniform(self.streams["choices"], keys, step, 4)
        flip = (choices[:, 0] < 0.5).long()
        sentence = (choices[:, 3] * self.caption.shape[1]).long()
        timestep = (choices[:, 1] * len(self.alpha_bar)).long()
        caption = torch.where(
            choices[:, 2] < NULL_CAPTION, len(self.tokens) - 1, self.caption[rows, sentence]
        )
        mean, logvar = self.mean[rows, flip], self.logvar[rows, flip]
        draws = randomness.normal(self.streams["noise"], keys, step, 2 * mean[0].numel())
        spread, noise = (draw.reshape(mean.shape) for draw in draws.chunk(2, 1))
        latents = sample_posterior(mean.float(), logvar.float(), spread, self.scaling_factor)
        return latents, noise, timestep, self.tokens[caption]

    def _error(self, latents: Tensor, noise: Tensor, timestep: Tensor, tokens: Tensor) -> Tensor:
        noisy = add_noise(latents, noise, self.alpha_bar[timestep])
        predicted = self.unet(noisy, timestep, tokens.float()).sample
        return F.mse_loss(predicted.float(), noise)

    def validate(self, step: int) -> dict[str, float]:
        """Mean squared error on held-out latents over ten fixed timesteps, with captions and without."""
        rows = self.held_out
        latents = self.mean[rows, 0].float() * self.scaling_factor
        errors = {"error": 0.0, "error_null": 0.0}
        for index in VALIDATION_TIMESTEPS:
            noise = randomness.normal(self.streams["validation"], self.keys[rows], index, latents[0].numel())
            timestep = torch.full((len(rows),), index, device=latents.device)
            for name, tokens in (
                ("error", self.tokens[self.caption[rows, 0]]),
                ("error_null", self.tokens[-1:].expand(len(rows), -1, -1)),
            ):
                error = self._error(latents, noise.reshape(latents.shape), timestep, tokens)
                errors[name] += float(error) / len(VALIDATION_TIMESTEPS)
        return errors
