"""Which discriminative classifier a slot asks for at a scale, and why it cannot be had."""

from __future__ import annotations

from typing import Any

from facetory.pipeline.config import Settings
from facetory.pipeline.files import FacetoryError
from facetory.recognition.scale import RecognitionScale
from facetory.recognition.spec import ClassifierSpec


def classifier_spec(
    chosen: dict[str, Any],
    slot: str,
    seed: int,
    scale: RecognitionScale,
    settings: Settings,
    px: int,
    backbone: str,
) -> ClassifierSpec:
    """The classifier of these fields (``network``, ``view``), trained on a slot by its network's recipe.

    ``px`` and ``backbone`` are for the view "latents".  A network without a recipe for the slot is a
    `FacetoryError`.
    """
    recipe = scale.recipes.get(chosen["network"])
    weights = recipe.weights.get(slot) if recipe else None
    if recipe is None or (slot not in recipe.steps and not weights):
        raise FacetoryError(
            f"{settings.config.scale}.yaml: recognition: recipes: {chosen['network']} has no steps for slot "
            f"'{slot}'. Add them, or name the authors' checkpoint under weights."
        )
    latents = chosen.get("view") == "latents"
    return ClassifierSpec(
        **chosen,
        size=scale.size,
        weights=weights,
        steps=0 if weights else recipe.steps[slot],
        batch_size=recipe.batch_size,
        lr=recipe.lr,
        px=px if latents else recipe.px,
        backbone=backbone if latents else "",
        decay=scale.decay,
        weight_decay=scale.weight_decay,
        precision=settings.precision(scale.precision),
        checkpoint_every=scale.checkpoint_every,
        dataset=settings.dataset_of(slot),
        device=settings.device,
        threads=settings.scale.threads,
        seed=seed,
    )


def weights_missing(spec: ClassifierSpec, name: str, settings: Settings) -> str | None:
    """Why a classifier's authors' checkpoint cannot be used, or None."""
    weights = settings.config.data_root / (spec.weights or ".")
    if not spec.weights or settings.ideal or weights.is_file():
        return None
    return (
        f"{name}: the authors' checkpoint is not placed: expected {weights} (or take it "
        "out of the recipe's weights in the scale, and the network is trained instead)"
    )
