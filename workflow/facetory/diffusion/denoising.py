"""Learning to predict the noise in latents, without text: a task of the training loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from facetory.diffusion.latents import sample_posterior
from facetory.diffusion.schedule import add_noise
from facetory.pipeline import randomness

if TYPE_CHECKING:
    from torch import Tensor

VALIDATED = 256
VALIDATION_TIMESTEPS = 10


class Latents(NamedTuple):
    """What is learnt from, all on the device.

    Posterior mean and log-variance (n, 2, C, h, w) with the mirror images on axis 1, sample keys int64 (n,).
    """

    mean: Tensor
    logvar: Tensor
    keys: Tensor
    scaling_factor: float


class NoisePrediction:
    """The mean squared error of predicted noise (Ho et al. 2020, Eq. 14; SMC, Section 2.3).

    ``alpha_bar`` (T,).  Rows ``held_out`` bool (n,) are validated on and not trained on.  Mirror image,
    posterior draw, timestep and noise of a sample are functions of (seed, sample key, step).
    """

    def __init__(
        self,
        unet: Any,
        latents: Latents,
        alpha_bar: Tensor,
        held_out: np.ndarray | None = None,
        seed: int = 0,
        compiled: bool = False,
    ) -> None:
        self.unet, self.latents, self.device = unet, latents, latents.mean.device
        held_out = np.zeros(len(latents.keys), dtype=bool) if held_out is None else held_out
        self.training = torch.from_numpy(np.flatnonzero(~held_out)).to(self.device)
        self.held_out = torch.from_numpy(np.flatnonzero(held_out)[:VALIDATED]).to(self.device)
        self.size = len(self.training)
        self.alpha_bar = alpha_bar.to(self.device)
        purposes = ("choices", "noise", "validation")
        self.streams = {purpose: randomness.stream_key(seed, "unet", purpose) for purpose in purposes}
        self.error: Any = torch.compile(self._error) if compiled else self._error

    def modules(self) -> dict[str, torch.nn.Module]:
        """The UNet, all of it trained."""
        return {"unet": self.unet}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """All parameters, with the schedule's rate and decay."""
        return [{"params": list(self.unet.parameters())}]

    def loss(self, positions: np.ndarray, step: int) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Mean squared error over the samples at ``positions``."""
        rows = self.training[torch.from_numpy(positions).to(self.device, non_blocking=True)]
        at = torch.full((), step, dtype=torch.int64, device=self.device)
        return self.error(*self._draws(rows, at)), {}

    def conditions(self, rows: Tensor, flip: Tensor, choices: Tensor) -> tuple[Tensor, ...]:
        """What the UNet is told beside latents and timestep.

        ``flip`` int64 (batch,) is 1 where a mirror image was drawn, ``choices`` (batch, 2) uniform in (0, 1).
        """
        return ()

    def predicted(self, noisy: Tensor, timestep: Tensor, *conditions: Tensor) -> Tensor:
        """The UNet's ε̂, of the shape of ``noisy``."""
        return self.unet(noisy, timestep, *conditions).sample

    def validated_under(self, rows: Tensor) -> dict[str, tuple[Tensor, ...]]:
        """Conditions of the held-out rows, by the name of their error."""
        return {"error": ()}

    def _draws(self, rows: Tensor, step: Tensor) -> tuple[Tensor, ...]:
        """Latents and noise (batch, C, h, w), timesteps (batch,) and conditions of a batch.

        They stay outside of what is compiled: inductor does not keep the generator's wrapping products.
        """
        keys = self.latents.keys[rows]
        choices = randomness.uniform(self.streams["choices"], keys, step, 4)
        flip = (choices[:, 0] < 0.5).long()
        timestep = (choices[:, 1] * len(self.alpha_bar)).long()
        mean, logvar = self.latents.mean[rows, flip], self.latents.logvar[rows, flip]
        draws = randomness.normal(self.streams["noise"], keys, step, 2 * mean[0].numel())
        spread, noise = (draw.reshape(mean.shape) for draw in draws.chunk(2, 1))
        latents = sample_posterior(mean.float(), logvar.float(), spread, self.latents.scaling_factor)
        return latents, noise, timestep, *self.conditions(rows, flip, choices[:, 2:])

    def _error(self, latents: Tensor, noise: Tensor, timestep: Tensor, *conditions: Tensor) -> Tensor:
        noisy = add_noise(latents, noise, self.alpha_bar[timestep])
        return F.mse_loss(self.predicted(noisy, timestep, *conditions).float(), noise)

    def validate(self, step: int) -> dict[str, float]:
        """Mean squared error on held-out posterior means over ten even timesteps; nothing without any."""
        rows, key = self.held_out, self.streams["validation"]
        if not len(rows):
            return {}
        latents = self.latents.mean[rows, 0].float() * self.latents.scaling_factor
        conditions = self.validated_under(rows)
        errors = dict.fromkeys(conditions, 0.0)
        for index in validation_timesteps(len(self.alpha_bar)):
            noise = randomness.normal(key, self.latents.keys[rows], index, latents[0].numel())
            timestep = torch.full((len(rows),), index, device=self.device)
            for name, condition in conditions.items():
                error = self._error(latents, noise.reshape(latents.shape), timestep, *condition)
                errors[name] += float(error) / VALIDATION_TIMESTEPS
        return errors


def validation_timesteps(count: int) -> list[int]:
    """The middles of ten equal parts of ``count`` timesteps: 50, 150, … 950 of 1000."""
    return [(2 * part + 1) * count // (2 * VALIDATION_TIMESTEPS) for part in range(VALIDATION_TIMESTEPS)]
