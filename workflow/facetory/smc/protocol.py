"""What an edit really had, and what the paper states: their differences forbid a comparison."""

from __future__ import annotations

from typing import Any

from facetory.smc.spec import EditSpec

PAPERS_MODEL = {"architecture": "smc"}
PAPERS_EDITS = {"autoencoder": "sd-vae-ft-ema", "px": 256, "guide": "vit", "particles": 20, "faces": 10}
"""Of the model and of the ablation, as in `budget_of` (SMC, Sections 2.2 to 2.4 and 3.4)."""


def budget_of(about: dict[str, Any]) -> dict[str, Any]:
    """What an edit and its model had, from the metadata of its records."""
    spec = EditSpec.model_validate(about["spec"])
    return {
        "autoencoder": spec.train.backbone,
        "px": spec.train.px,
        "training_steps": spec.train.steps,
        "batch_size": spec.train.batch_size,
        "guide": spec.guide.network,
        "particles": about["particles"],
        "inference_steps": spec.sampler.inference_steps,
        "effective_steps": len(about["timesteps"]),
        "faces": len(about["sample_ids"]),
        "device": about["device_name"],
    }
