"""Editing faces: many at once, by one of the samplers, with all that is known of how it went."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facetory.pipeline.files import FacetoryError
from facetory.pipeline.randomness import sample_keys
from facetory.smc.baselines import best_of_n, gradient_guided, unguided
from facetory.smc.cost import equal_cost_particles
from facetory.smc.particles import OnScored, Outcome, smc, start_particles
from facetory.smc.parts import Parts
from facetory.smc.sampler_spec import Sampler
from facetory.smc.timesteps import edit_timesteps, scorings
from facetory.training.device import device_name
from facetory.training.progress import Show

BASELINES: dict[str, Callable[..., Outcome]] = {
    "best_of_n": best_of_n,
    "gradient": gradient_guided,
    "none": unguided,
}
KEPT = ("chosen", "log_weights", "final_scores", "scores", "ess", "ancestors", "unique_roots")
GROUP_ROWS = 256
"""Particles that are sampled together, about: so many faces make a group, which bounds the memory."""


class EditDiverged(FacetoryError):
    """The latents of an edit left the finite numbers."""


@dataclass(frozen=True)
class Edited:
    """Edits of n faces by P particles with S scorings, and what they took.

    reconstructions, edited: uint8 (n, 3, px, px), decoded by the autoencoder.  guide_scores (n, P): the
    guide's probability of the target for the final particles, of which ``chosen`` (n,) became ``edited``;
    log_weights (n, P).  scores (n, S, P): such probabilities on the way; ess (n, S), ancestors (n, S, P) and
    unique_roots (n, S) as in `particles.Outcome`.  snapshots uint8 (G, P, 3, px, px): what was scored of the
    first face at its scorings ``snapshot_scorings`` (G,).  about: timesteps, scored_steps, counts and
    unshared (rows through "unet", "decode" and "guide"; "gradient": how many of these were differentiated),
    seconds of sampling, device_name, multiply_accumulates of a row, particles.
    """

    reconstructions: np.ndarray
    edited: np.ndarray
    guide_scores: np.ndarray
    chosen: np.ndarray
    log_weights: np.ndarray
    scores: np.ndarray
    ess: np.ndarray
    ancestors: np.ndarray
    unique_roots: np.ndarray
    snapshots: np.ndarray
    snapshot_scorings: np.ndarray
    about: dict[str, Any]


@torch.no_grad()
def edit_faces(
    pixels: np.ndarray,
    sample_ids: Sequence[str],
    targets: np.ndarray,
    parts: Parts,
    sampler: Sampler,
    seed: int = 0,
    snapshots: int = 0,
    show: Show | None = None,
) -> Edited:
    """Edit faces, uint8 (n, 3, px, px), towards ``targets`` (n,) int64, the guide's classes by number.

    Every draw is a function of (seed, sample id, particle, step), and no result depends on the other faces.
    "best_of_n" draws as many particles as cost what the "smc" of the same fields does without sharing
    (`cost.equal_cost_particles`).  So many ``snapshots`` are taken, spread evenly over the scorings.
    ``show(done, {})`` counts the steps of all faces, n K at the end.  Latents that are not finite are an
    `EditDiverged`.
    """
    z_0, keys = parts.encode(torch.from_numpy(pixels)), sample_keys(list(sample_ids))
    wanted, costs = (
        torch.from_numpy(targets).to(z_0.device),
        parts.multiply_accumulates(z_0),
    )
    if sampler.method == "best_of_n":
        sampler = sampler.model_copy(update={"particles": equal_cost_particles(sampler, costs)})
    timesteps = edit_timesteps(sampler.inference_steps, sampler.noise_strength)
    snapped = _snapped(len(timesteps), sampler, snapshots)
    pictures: list[Tensor] = []
    outcomes: list[Outcome] = []
    done = 0

    def tell(faces: int) -> None:
        nonlocal done
        done += faces
        if show:
            show(done, {})

    def snap(number: int, step: int, particles: Tensor, scored: Tensor) -> None:
        if number in snapped and not outcomes:
            pictures.append(parts.decode(scored[0]))

    began = time.perf_counter()
    for group in torch.arange(len(pixels)).split(max(1, GROUP_ROWS // sampler.particles)):
        faces = (z_0[group], keys[group.numpy()], wanted[group])
        outcomes.append(sampled(*faces, parts, sampler, timesteps, seed, snap, tell))
    kept = torch.cat([_chosen(outcome) for outcome in outcomes])
    if not bool(torch.isfinite(kept).all()):
        raise EditDiverged(
            f"an edit's latents are not finite. Lower guidance_scale ({sampler.guidance_scale:g}), or train "
            "the diffusion model longer."
        )
    seconds = time.perf_counter() - began
    found = {name: _array(torch.cat([getattr(o, name) for o in outcomes])) for name in KEPT}
    particles = found["log_weights"].shape[1]
    return Edited(
        reconstructions=parts.decode(z_0).cpu().numpy(),
        edited=parts.decode(kept).cpu().numpy(),
        guide_scores=np.exp(found.pop("final_scores")),
        scores=np.exp(found.pop("scores")),
        **found,
        snapshots=torch.stack(pictures).cpu().numpy()
        if pictures
        else np.zeros((0, particles, *pixels.shape[1:]), np.uint8),
        snapshot_scorings=snapped,
        about={
            "timesteps": timesteps,
            "scored_steps": outcomes[0].scored_steps,
            "counts": _rows([outcome.counts for outcome in outcomes], parts),
            "unshared": _rows([outcome.unshared for outcome in outcomes], parts),
            "seconds": round(seconds, 3),
            "device_name": device_name(z_0.device.type),
            "multiply_accumulates": costs,
            "particles": particles,
        },
    )


def sampled(
    z_0: Tensor,
    keys: np.ndarray,
    targets: Tensor,
    parts: Parts,
    sampler: Sampler,
    timesteps: list[int],
    seed: int = 0,
    on_scored: OnScored | None = None,
    tell: Callable[[int], None] | None = None,
) -> Outcome:
    """The particles of faces with clean latents z_0 (B, C, h, w), by ``sampler.method``.

    keys (B,) int64 and targets (B,) int64 as in `edit_faces`; ``tell(B)`` is called at each step.
    """
    predict, start = (
        parts.predict_noise(),
        start_particles(z_0, timesteps, sampler, parts.alpha_bar, keys, seed),
    )

    def predict_noise(z: Tensor, t: int) -> Tensor:
        if tell:
            tell(len(z_0))
        return predict(z, t)

    functions = (predict_noise, parts.log_score(targets))
    arguments = (start, timesteps, *functions, sampler, parts.alpha_bar, keys, seed)
    if sampler.method == "smc":
        return smc(*arguments, on_scored, z_0)
    return BASELINES[sampler.method](*arguments, z_0)


def _array(values: Tensor) -> np.ndarray:
    return (values.float() if values.is_floating_point() else values).cpu().numpy()


def _chosen(outcome: Outcome) -> Tensor:
    return outcome.particles[torch.arange(len(outcome.chosen), device=outcome.chosen.device), outcome.chosen]


def _snapped(steps: int, sampler: Sampler, snapshots: int) -> np.ndarray:
    """Numbers of the scorings that are kept as pictures, (G,) int64: evenly from the first to the last."""
    count = len(scorings(steps, sampler)) if sampler.method == "smc" else 0
    return np.linspace(0, max(count - 1, 0), min(snapshots, count)).round().astype(np.int64)


def _rows(counts: Sequence[dict[str, int]], parts: Parts) -> dict[str, int]:
    """Rows by network: what was scored went through the guide, and through a decoder if it sees faces."""
    total = {name: sum(count[name] for count in counts) for name in counts[0]}
    differentiated = total.get("gradient", 0)
    looks = total["score"] + differentiated
    found = {"unet": total["unet"], "decode": looks if parts.guide.view == "faces" else 0, "guide": looks}
    return found | ({"gradient": differentiated} if differentiated else {})
