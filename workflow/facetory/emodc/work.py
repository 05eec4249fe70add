"""What EmoDC's stages compute: rows through the UNet (EmoDC, Eqs. 6 to 11)."""

from __future__ import annotations

from facetory.emodc.generate_spec import EmoDCGenerateSpec
from facetory.emodc.losses import prompts_needed
from facetory.emodc.race_spec import RaceSpec
from facetory.emodc.spec import EmoDCEvalSpec, EmoDCTrainSpec
from facetory.pipeline.work import Sizes, Work, bounded


def training(spec: EmoDCTrainSpec, sizes: Sizes) -> Work:
    """Every sample of every batch under each prompt of the loss: at most so many, as some may be inactive."""
    prompts = len(prompts_needed(spec.loss, spec.non_negative_prompt))
    return {(f"unet/{spec.backbone}/{spec.px}", "training"): spec.steps * spec.batch_size * prompts}


def evaluation(spec: EmoDCEvalSpec, sizes: Sizes) -> Work:
    """Every (sample, timestep, class), and the two extra prompts where they are asked for."""
    classes = sizes.classes(spec.dataset)
    samples = bounded(sizes.samples(spec.dataset, spec.split), spec.images_per_class, classes)
    prompts = classes + 2 * spec.extra_prompts
    rows = samples * len(spec.corruptions) * len(spec.timesteps) * prompts
    return {(f"unet/{spec.backbone}/{spec.px}", "forward"): rows}


def race(spec: RaceSpec, sizes: Sizes) -> Work:
    """The full grid, the fixed one, and every race as if no class left it: at most so many."""
    classes = sizes.classes(spec.dataset)
    samples = bounded(sizes.samples(spec.dataset, spec.split), spec.images_per_class, classes)
    timesteps = spec.steps * (2 + len(spec.thresholds)) + spec.fixed_steps
    return {(f"unet/{spec.backbone}/{spec.px}", "forward"): samples * classes * timesteps}


def generation(spec: EmoDCGenerateSpec, sizes: Sizes) -> Work:
    """Each face with and without its prompt at every timestep, and decoded."""
    faces = sizes.classes(spec.dataset) * spec.per_class * len(spec.guidance_scales)
    return {
        (f"unet/{spec.backbone}/{spec.px}", "forward"): 2 * faces * spec.steps,
        (f"decode/{spec.backbone}/{spec.px}", "forward"): faces,
    }
