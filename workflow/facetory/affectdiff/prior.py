"""The diffusion prior's process: schedule, guidance, DDIM and its inversion (Affect-Diff, Section IV-E).

``prior`` is a `unet1d.UNet1D`, or anything called as it is that has ``alpha_bars`` and ``null``.  Latents lie
as (B, dz, L).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from facetory.diffusion import sampler
from facetory.diffusion.schedule import add_noise

if TYPE_CHECKING:
    from torch import Tensor

OFFSET = 0.008


def cosine_alpha_bars(count: int = 1000, beta_range: tuple[float, float] = (0.0, 0.999)) -> Tensor:
    """ᾱ_t for t = 0 … count-1, float32 (count,): the cosine schedule (Nichol & Dhariwal 2021, Eq. 17).

    ``beta_range`` clips β_t: (0, 0.999) as they do, (0.0001, 0.9999) as Affect-Diff's released code.
    """
    share = torch.linspace(0, 1, count + 1, dtype=torch.float64)
    curve = torch.cos((share + OFFSET) / (1 + OFFSET) * math.pi / 2).square()
    betas = (1 - curve[1:] / curve[:-1]).clamp(*beta_range)
    return (1 - betas).cumprod(0).float()


def noisy(z: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """z_t = √ᾱ_t z_0 + √(1−ᾱ_t) ε (Affect-Diff, Eq. 8); z and noise (B, …), alpha_bar (B,) or a scalar."""
    return add_noise(z, noise, alpha_bar)


def predict(
    prior: Any,
    z_t: Tensor,
    timestep: Tensor,
    labels: Tensor,
    condition: Tensor | None = None,
    guidance_scale: float = 1.0,
    valid: Tensor | None = None,
) -> Tensor:
    """ε̂ = ε_∅ + s (ε_y − ε_∅) of z_t (B, dz, L) (classifier-free guidance; Section IV-E).

    timestep and labels (B,), condition (B, 3), valid (B, L).  Both predictions are one batch of the network;
    s = 1 is ε_y and asks for no other.
    """
    if guidance_scale == 1:
        return prior(z_t, timestep, labels, condition, valid)
    null = torch.full_like(labels, prior.null)
    twice = [None if part is None else torch.cat([part, part]) for part in (z_t, timestep, condition, valid)]
    both = prior(twice[0], twice[1], torch.cat([null, labels]), *twice[2:])
    unconditional, conditional = both.chunk(2)
    return sampler.guided(unconditional, conditional, guidance_scale)


def ddim(
    prior: Any,
    z: Tensor,
    labels: Tensor,
    condition: Tensor | None = None,
    steps: int = 50,
    guidance_scale: float = 3.0,
    strength: float = 1.0,
    valid: Tensor | None = None,
    clamp: float | None = None,
) -> Tensor:
    """z_0 (B, dz, L) under the labels, from z at the timestep where ``strength`` of the steps begin (η = 0).

    ``strength`` 1 begins with noise.  ``clamp`` keeps ẑ_0 within ± it (the released code: 12).
    """
    timesteps = timesteps_of(prior, steps, strength)
    noise = _predictor(prior, labels, condition, guidance_scale, valid, clamp)
    return sampler.ddim(noise, z, prior.alpha_bars, timesteps)


def ddim_invert(
    prior: Any,
    z: Tensor,
    labels: Tensor,
    condition: Tensor | None = None,
    steps: int = 50,
    guidance_scale: float = 1.0,
    strength: float = 1.0,
    valid: Tensor | None = None,
    evaluations: int = 3,
) -> Tensor:
    """The z_t (B, dz, L) from which `ddim`, under the same settings, comes back to z.

    Each step solves z' = step(z_t, ε̂(z_t, t)) for z_t by fixed-point iteration from z', with so many
    ``evaluations`` of the network; one is the usual inversion (Song et al. 2021, Section 5.4), which comes
    back the less exactly the fewer the steps.
    """
    noise = _predictor(prior, labels, condition, guidance_scale, valid, None)
    below = prior.alpha_bars[0]
    for t in reversed(timesteps_of(prior, steps, strength)):
        here = z
        for _ in range(evaluations):
            here = sampler.ddim_step(z, noise(here, t), below, prior.alpha_bars[t])
        z, below = here, prior.alpha_bars[t]
    return z


def timesteps_of(prior: Any, steps: int = 50, strength: float = 1.0) -> list[int]:
    """The last ``strength`` of the sampler's timesteps, descending; one at least."""
    timesteps = sampler.ddim_timesteps(steps, len(prior.alpha_bars))
    return timesteps[-max(1, round(strength * steps)) :]


def _predictor(
    prior: Any,
    labels: Tensor,
    condition: Tensor | None,
    guidance_scale: float,
    valid: Tensor | None,
    clamp: float | None,
) -> Callable[[Tensor, int], Tensor]:
    def noise(z: Tensor, t: int) -> Tensor:
        timestep = torch.full((len(z),), t, device=z.device)
        predicted = predict(prior, z, timestep, labels, condition, guidance_scale, valid)
        if clamp is None:
            return predicted
        alpha_bar = prior.alpha_bars[t]
        clean = sampler.clean_prediction(z, predicted, alpha_bar).clamp(-clamp, clamp)
        return (z - alpha_bar.sqrt() * clean) / (1 - alpha_bar).sqrt()

    return noise
