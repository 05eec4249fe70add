"""Where an edit starts and where its particles are weighed (SMC, Algorithm 1); free of torch."""

from __future__ import annotations

from facetory.smc.sampler_spec import Sampler


def edit_timesteps(inference_steps: int, noise_strength: float) -> list[int]:
    """The timesteps of an edit, descending to 0: (250, 0.23) gives 59 of them, 232, 228, …, 0.

    Multiples of ⌊1000 / steps⌋ (diffusers' "leading" spacing), from place ⌊(1 − noise_strength)(steps − 1)⌋
    of their descending order on, as in the released code.
    """
    descending = [i * (1000 // inference_steps) for i in reversed(range(inference_steps))]
    return descending[int((1 - noise_strength) * (inference_steps - 1)) :]


def scorings(count: int, sampler: Sampler) -> list[int]:
    """The steps of 0 … count−1 after which particles are weighed: every R-th, and for a telescoping potential
    the last."""
    every = range(sampler.resample_interval - 1, count, sampler.resample_interval)
    return sorted({*every, count - 1}) if sampler.telescoping else list(every)
