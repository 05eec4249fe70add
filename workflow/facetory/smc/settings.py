"""A sampler's settings as people ask for them, and in words."""

from __future__ import annotations

from facetory.pipeline.suggest import unknown
from facetory.smc.sampler_spec import READINGS, Sampler

SIZES = (
    "particles",
    "inference_steps",
    "noise_strength",
    "guidance_scale",
    "resample_interval",
    "share_duplicates",
)
"""What a sampler keeps when its reading is changed."""


def in_reading(sampler: Sampler, reading: str) -> Sampler:
    """A reading of Algorithm 1 ("paper", "code", "corrected") at a sampler's sizes.

    An unknown one is a `FacetoryError`.
    """
    if reading not in READINGS:
        raise unknown("sampler", reading, READINGS, "sampler")
    return Sampler(**{name: getattr(sampler, name) for name in SIZES} | READINGS[reading])


def in_words(sampler: Sampler) -> str:
    """A sampler's settings in a line."""
    words = [
        f"{sampler.particles} particles" if sampler.method == "smc" else sampler.method.replace("_", " "),
        f"{sampler.inference_steps} inference steps",
        f"noise strength {sampler.noise_strength:g}",
        f"guidance scale {sampler.guidance_scale:g}",
    ]
    if sampler.method == "smc":
        interval = sampler.resample_interval
        scored = "x̂_0" if sampler.scored == "x0" else "the noisy latents"
        words.append(f"scoring {scored} {'at every step' if interval == 1 else f'every {interval} steps'}")
        words.append(f"{sampler.scheme} resampling")
    return ", ".join(words)
