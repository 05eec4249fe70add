"""What SMC is compared with: edits without guidance, the best of many, and the guide's gradient.

All three are `particles.smc` without scorings on the way: the final images alone are scored, and the best of
a face's particles is chosen.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facetory.diffusion.sampler import clean_prediction
from facetory.smc.particles import LogScore, Outcome, PredictNoise, smc
from facetory.smc.sampler_spec import Sampler


def best_of_n(
    start: Tensor,
    timesteps: list[int],
    predict_noise: PredictNoise,
    log_score: LogScore,
    sampler: Sampler,
    alpha_bar: Tensor,
    keys: np.ndarray | Tensor,
    seed: int = 0,
    z_0: Tensor | None = None,
) -> Outcome:
    """N unguided edits of each face, start (B, N, …), the best by the guide chosen; as `particles.smc`."""
    never = {"resample_interval": len(timesteps) + 1, "telescoping": False, "final": "argmax"}
    sampler = sampler.model_copy(update=never)
    return smc(start, timesteps, predict_noise, log_score, sampler, alpha_bar, keys, seed, z_0=z_0)


def unguided(start: Tensor, *arguments: Any, **options: Any) -> Outcome:
    """One unguided edit of each face: `best_of_n` of the first particles of start (B, N, …)."""
    return best_of_n(start[:, :1], *arguments, **options)


def gradient_guided(
    start: Tensor,
    timesteps: list[int],
    predict_noise: PredictNoise,
    log_score: LogScore,
    sampler: Sampler,
    alpha_bar: Tensor,
    keys: np.ndarray | Tensor,
    seed: int = 0,
    z_0: Tensor | None = None,
) -> Outcome:
    """Classifier guidance: each step's mean moved by γ Σ ∇_z log s (Dhariwal & Nichol 2021, Algorithm 1).

    One particle a face, the first of start (B, N, …); otherwise as `particles.smc`.  The guide sees z_t as
    noisy as it is, or with ``sampler.scored`` "x0" the x̂_0 predicted from it, where the gradient goes
    through the diffusion model too; functions must be differentiable, and the caller not in inference mode.
    ``counts`` has "gradient" as well: rows scored and differentiated on the way, not among those of "score".
    """
    after = dict(pairwise(timesteps))

    def predict_guided(z: Tensor, t: int) -> Tensor:
        """ε̂ for which `ddpm_step` has the moved mean; after the last step Σ = 0."""
        if t not in after:
            return predict_noise(z, t)
        alpha, alpha_after, owners = alpha_bar[t], alpha_bar[after[t]], torch.arange(len(z), device=z.device)
        with torch.set_grad_enabled(sampler.scored == "x0"):
            z = z.detach().requires_grad_()
            noise_prediction = predict_noise(z, t)
        with torch.enable_grad():
            seen = clean_prediction(z, noise_prediction, alpha) if sampler.scored == "x0" else z
            log_s = log_score(seen, 0 if sampler.scored == "x0" else t, owners)
            (gradient,) = torch.autograd.grad(log_s.sum(), z)
        length = (alpha / alpha_after).sqrt() * (1 - alpha_after) / (1 - alpha).sqrt()
        return noise_prediction.detach() - sampler.guidance_scale * length * gradient

    found = unguided(start, timesteps, predict_guided, log_score, sampler, alpha_bar, keys, seed, z_0)
    rows = {"gradient": len(after) * len(start)}
    return found._replace(counts=found.counts | rows, unshared=found.unshared | rows)
