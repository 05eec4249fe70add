"""Sequential Monte Carlo over reverse diffusion: Algorithm 1 of the paper, and what makes it sound.

z: (B, N, …), N particles for each of B faces; ε̂: the noise that the diffusion model predicts; s: the guide's
probability of a face's target.  `Sampler()` is Algorithm 1, `sampler_spec.READINGS` the other readings.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from facetory.diffusion.sampler import clean_prediction, ddpm_step
from facetory.diffusion.schedule import add_noise
from facetory.pipeline.randomness import normal, stream_key, uniform
from facetory.smc.batches import distinct
from facetory.smc.potentials import log_potential
from facetory.smc.resampling import SCHEMES, multinomial
from facetory.smc.sampler_spec import Sampler
from facetory.smc.timesteps import scorings
from facetory.smc.weights import effective_sample_size, normalised

PredictNoise = Callable[[Tensor, int], Tensor]
"""ε̂ (rows, …) of noisy latents (rows, …) at a timestep."""
LogScore = Callable[[Tensor, int, Tensor], Tensor]
"""log s (rows,) of latents (rows, …) at a timestep (0: clean), given the face (rows,) each row belongs to."""
OnScored = Callable[[int, int, Tensor, Tensor], None]
"""Is shown (number of the scoring, step, particles, what was scored of them), both (B, N, …)."""


class Outcome(NamedTuple):
    """The final particles of B faces, and the trace of their S scorings.

    particles (B, N, …); log_weights (B, N), normalised; final_scores (B, N): log s of the final images;
    chosen (B,) int64.  scores (B, S, N): log s before resampling; ess (B, S); ancestors (B, S, N) int64: each
    particle's parent, itself where nothing was resampled; unique_roots (B, S) int64: initial particles that
    still have descendants; scored_steps: the S steps, from 0.  counts: rows really computed, of "unet" and
    "score"; unshared: rows without sharing.
    """

    particles: Tensor
    log_weights: Tensor
    final_scores: Tensor
    chosen: Tensor
    scores: Tensor
    ess: Tensor
    ancestors: Tensor
    unique_roots: Tensor
    scored_steps: list[int]
    counts: dict[str, int]
    unshared: dict[str, int]


def start_particles(
    z_0: Tensor,
    timesteps: list[int],
    sampler: Sampler,
    alpha_bar: Tensor,
    keys: np.ndarray | Tensor,
    seed: int = 0,
) -> Tensor:
    """ADDNOISE(z_0, ε, t_start), clean latents z_0 (B, …) to (B, N, …): Algorithm 1, lines 2 to 4.

    One ε a face, or where ``sampler.initial_noise`` is "own" one a particle.
    """
    particles = z_0[:, None].repeat_interleave(sampler.particles, 1)
    fresh = _normals("initial noise", particles, keys, seed, 0)
    if sampler.initial_noise == "shared":
        fresh = fresh[:, :1]
    return add_noise(particles, fresh, alpha_bar[timesteps[0]])


def smc(
    start: Tensor,
    timesteps: list[int],
    predict_noise: PredictNoise,
    log_score: LogScore,
    sampler: Sampler,
    alpha_bar: Tensor,
    keys: np.ndarray | Tensor,
    seed: int = 0,
    on_scored: OnScored | None = None,
    z_0: Tensor | None = None,
) -> Outcome:
    """Algorithm 1, lines 5 to 17: particles ``start`` (B, N, …) at the first of descending timesteps (K,).

    alpha_bar: (T,).  Every draw is a function of (seed, purpose, key of the face (B,), particle, step).
    Scored are the particles after STEP, noisy as they are; with ``sampler.scored`` "x0" the x̂_0 predicted of
    each before it (Singhal et al. 2025, Section 3); after the last step the final images either way.
    ``sampler.share_duplicates`` computes particles that are equal by descent once: copies at the start, and
    children of one parent until fresh noise parts them.  ``on_scored`` is called before resampling.  ``z_0``
    (B, …): the clean source, where ``sampler.leash`` is above 0.
    """
    keys = torch.as_tensor(keys, device=start.device)
    faces = torch.arange(start.shape[0], device=start.device)[:, None]
    each = torch.arange(start.shape[1], device=start.device).expand(start.shape[:2])
    even = torch.full(each.shape, -math.log(start.shape[1]), dtype=torch.float64, device=start.device)
    z, roots, twins = start, each, _copies(start, sampler, each)
    log_weights, lineage = even, even[..., None][..., :0]
    scored_steps, counts = scorings(len(timesteps), sampler), {"unet": 0, "score": 0}
    trace = [(even, even[:, 0], each, each[:, 0])]
    for i, t in enumerate(timesteps):
        last = i + 1 == len(timesteps)
        after = 0 if last else timesteps[i + 1]
        alpha, alpha_after = alpha_bar[t], torch.ones_like(alpha_bar[t]) if last else alpha_bar[after]

        rows = distinct(twins)
        counts["unet"] += len(rows.owners)
        noise_prediction = rows.to_all(predict_noise(rows.of(z), t))  # line 7
        x_0 = clean_prediction(z, noise_prediction, alpha)
        fresh = torch.zeros_like(z) if last else _normals("step", z, keys, seed, i)
        z = ddpm_step(z, noise_prediction, alpha, alpha_after, fresh)  # line 8
        z = leashed(z, z_0, sampler, i, timesteps[0])
        twins = twins if last else each
        if not (last or i in scored_steps):
            continue

        seen, at = (x_0, 0) if sampler.scored == "x0" and not last else (z, after)
        rows = rows if seen is x_0 else distinct(twins)
        counts["score"] += len(rows.owners)
        log_s = rows.to_all(log_score(rows.of(seen), at, rows.owners)).double()  # lines 11 and 12
        if i not in scored_steps:
            break
        if on_scored:
            on_scored(len(trace) - 1, i, z, seen)

        lineage = torch.cat([lineage, log_s[..., None]], -1)
        telescopes = last and sampler.telescoping
        log_g = log_potential(lineage, sampler.potential, sampler.guidance_scale, telescopes)
        log_weights = normalised(log_weights + log_g)  # line 13
        ess = effective_sample_size(log_weights)
        resampled = _resampled(ess, start.shape[1], sampler, last)[:, None]
        uniforms = uniform(stream_key(seed, "smc", "resampling"), keys, i, start.shape[1])
        parents = SCHEMES[sampler.scheme](log_weights.exp(), uniforms).where(resampled, each)
        z, lineage, roots, twins = (x[faces, parents] for x in (z, lineage, roots, twins))  # line 14
        twins = twins if sampler.share_duplicates else each
        log_weights = log_weights.where(~resampled & sampler.carry_weights, even)
        trace.append((log_s, ess, parents, torch.zeros_like(each).scatter(1, roots, 1).sum(1)))
        log_s = lineage[..., -1]

    chosen = log_s.masked_fill(log_s.isnan(), -math.inf).argmax(1)  # line 17
    if sampler.final == "weight":
        drawn = uniform(stream_key(seed, "smc", "final draw"), keys, 0, 1)
        chosen = multinomial(log_weights.exp(), drawn)[:, 0]
    scores, ess, ancestors, unique = (torch.stack(column, 1)[:, 1:] for column in zip(*trace, strict=True))
    unshared = {"unet": len(timesteps) * each.numel(), "score": len({*scored_steps, i}) * each.numel()}
    return Outcome(
        z, log_weights, log_s, chosen, scores, ess, ancestors, unique, scored_steps, counts, unshared
    )


def leashed(z: Tensor, z_0: Tensor | None, sampler: Sampler, step: int, t_start: int) -> Tensor:
    """(1 − l) z + l z_0 for particles z (B, N, …) after a step, counted from 0, with l = ``sampler.leash``.

    In the released code l is leash (1 − step) / t_start: 0 at the second step, and negative from the third
    on, where it pushes away from the source.
    """
    if not sampler.leash:
        return z
    if z_0 is None:
        raise ValueError("a leash needs z_0")
    released = sampler.leash_form == "released"
    length = sampler.leash * (1 - step) / max(t_start, 1) if released else sampler.leash
    return (1 - length) * z + length * z_0[:, None]


def _copies(start: Tensor, sampler: Sampler, each: Tensor) -> Tensor:
    """Which particles of the start are equal: (B, N) int64, equal numbers for equal particles."""
    if sampler.initial_noise == "own":
        return each
    if not bool((start == start[:, :1]).all()):
        raise ValueError("the particles of the start differ, but sampler.initial_noise is 'shared'")
    return torch.zeros_like(each) if sampler.share_duplicates else each


def _resampled(ess: Tensor, particles: int, sampler: Sampler, last: bool) -> Tensor:
    """Which faces (B,) to resample: those of too low an effective sample size, at a threshold of 1 all."""
    if last and not sampler.resample_last:
        return torch.zeros_like(ess, dtype=torch.bool)
    return (ess < sampler.ess_threshold * particles) | (sampler.ess_threshold == 1)


def _normals(purpose: str, like: Tensor, keys: np.ndarray | Tensor, seed: int, step: int) -> Tensor:
    """Standard normal draws for particles (B, N, …): functions of (seed, purpose, face, particle, step)."""
    keys = torch.as_tensor(keys, device=like.device)
    found = normal(stream_key(seed, "smc", purpose), keys, step, like[0].numel())
    return found.view_as(like).to(like.dtype)
