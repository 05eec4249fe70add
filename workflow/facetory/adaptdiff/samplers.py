"""Samplers of identity-conditioned diffusion, as functions of predicted noise: DDPM, DDIM, and two fast ones.

``predict(x, t)`` is ε̂ of x_t, of the shape of x, guided or not; ``fresh(t)`` is the new noise of timestep t.
ᾱ is float64, because 1 − ᾱ_t/ᾱ_s of neighbours in float32 loses four digits.  Latents are not clipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from facetory.adaptdiff.spec import IdentitySampler
from facetory.diffusion.sampler import ddim_step
from facetory.pipeline.files import FacetoryError

if TYPE_CHECKING:
    from torch import Tensor

    Predict = Callable[[Tensor, int], Tensor]
    Fresh = Callable[[int], Tensor]


def visited(sampler: IdentitySampler, T: int = 1000) -> list[int]:
    """The timesteps that a sampler asks the network about, descending.

    DDPM and DDIM visit ⌊i T / steps⌋ for i from steps − 1 to 0: 200 of 1000 are 995, 990, …, 0 (released).
    The fast samplers begin at T − 1 and end one step above 0 (diffusers, "linspace").  All are even in t, so
    that the mean of AdaptDiff's w hardly depends on the sampler.  Steps outside 1 … T, and fast ones that
    would visit a timestep twice, are a `FacetoryError`.
    """
    import numpy as np

    steps = sampler.steps
    if sampler.method in ("ddpm", "ddim"):
        chosen = [i * T // steps for i in reversed(range(steps))]
    else:
        chosen = np.linspace(0, T - 1, steps + 1).round().astype(int)[:0:-1].tolist()
    if not 1 <= steps <= T or len(set(chosen)) < steps:
        raise FacetoryError(
            f"sampler {sampler.method}: {steps} steps do not fit {T} timesteps. Ask for fewer, at least 1."
        )
    return chosen


def sample(sampler: IdentitySampler, predict: Predict, x: Tensor, betas: Tensor, fresh: Fresh) -> Tensor:
    """x_0 (batch, …) from noise x by the sampler that is asked for; betas: float64 (T,), on the CPU."""
    timesteps, alpha_bars = visited(sampler, len(betas)), (1 - betas).cumprod(0)
    if sampler.method == "ddpm":
        return ddpm(predict, x, alpha_bars, timesteps, fresh, sampler.released)
    if sampler.method == "ddim":
        return ddim(predict, x, alpha_bars, timesteps, sampler.released)
    if sampler.released:
        raise FacetoryError(f"sampler {sampler.method}: the released code has none. Leave `released` out.")
    return multistep(sampler.method, predict, x, betas, timesteps)


def ddpm(
    predict: Predict,
    x: Tensor,
    alpha_bars: Tensor,
    timesteps: list[int],
    fresh: Fresh,
    released: bool = False,
) -> Tensor:
    """x_0 from noise x by ancestral sampling with σ² = β (Ho et al. 2020, Algorithm 2).

    x' = (x − β/√(1−ᾱ_t) ε̂) / √(1−β) + √β z, where β = 1 − ᾱ_t/ᾱ_s for the next visited s: the trained β_t
    where every timestep is visited.  There is no noise at timestep 0, nor, as ``released``, at 1.
    """
    for t, following in _followed(timesteps, alpha_bars):
        beta = 1 - alpha_bars[t] / following
        x = (x - beta / (1 - alpha_bars[t]).sqrt() * predict(x, t)) / (1 - beta).sqrt()
        if t > (1 if released else 0):
            x = x + beta.sqrt() * fresh(t)
    return x


def ddim(
    predict: Predict, x: Tensor, alpha_bars: Tensor, timesteps: list[int], released: bool = False
) -> Tensor:
    """x_0 from noise x by deterministic steps (Song et al. 2021, Eq. 12, η = 0), the last one to ᾱ = 1.

    As ``released``, each step leads to the ᾱ of one timestep before the one visited next, so that the network
    sees latents a little cleaner than the timestep it is told.
    """
    for t, following in _followed(timesteps, alpha_bars, early=int(released)):
        x = ddim_step(x, predict(x, t), alpha_bars[t], following)
    return x


def multistep(method: str, predict: Predict, x: Tensor, betas: Tensor, timesteps: list[int]) -> Tensor:
    """x_0 from noise x by diffusers' DPM-Solver++ (2M; Lu et al. 2022) or UniPC (Zhao et al. 2023)."""
    from diffusers import DPMSolverMultistepScheduler, UniPCMultistepScheduler

    kinds: dict[str, Any] = {"dpmpp": DPMSolverMultistepScheduler, "unipc": UniPCMultistepScheduler}
    solver = kinds[method](num_train_timesteps=len(betas), trained_betas=betas.tolist(), solver_order=2)
    solver.set_timesteps(len(timesteps))
    for t in timesteps:
        x = solver.step(predict(x, t), t, x).prev_sample
    return x


def _followed(timesteps: list[int], alpha_bars: Tensor, early: int = 0) -> Iterator[tuple[int, Tensor]]:
    """Each timestep with the ᾱ its step leads to: of ``early`` timesteps before the next one, or 1."""
    one = alpha_bars.new_ones(())
    for t, s in zip(timesteps, [*timesteps[1:], None], strict=True):
        yield t, one if s is None or s < early else alpha_bars[s - early]
