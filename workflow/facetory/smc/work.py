"""What SMC's stages compute: rows through the UNet, the decoder and the guide (SMC, Algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable

from facetory.pipeline.work import Sizes, Work, added
from facetory.recognition.work import network_of
from facetory.smc.cost import equal_cost_particles, rows_of_smc
from facetory.smc.spec import (
    EditSpec,
    MeasureSpec,
    ReconstructionSpec,
    SampleSpec,
    SmallDecoderSpec,
    SMCTrainSpec,
)
from facetory.smc.timesteps import edit_timesteps

SHOWN = 3
"""Source, edit and reconstruction are compared."""


def unet(spec: SMCTrainSpec) -> str:
    """A diffusion model as `counted.json` names it."""
    return f"unconditional/{spec.architecture}/{spec.backbone}/{spec.px}"


def small(spec: SmallDecoderSpec) -> str:
    """A small decoder as `counted.json` names it."""
    return f"small_decoder/{'-'.join(map(str, spec.widths))}/{spec.backbone}/{spec.px}"


def training(spec: SMCTrainSpec, sizes: Sizes) -> Work:
    """Every sample of every batch."""
    return {(unet(spec), "training"): spec.steps * spec.batch_size}


def distillation(spec: SmallDecoderSpec, sizes: Sizes) -> Work:
    """Every sample of every batch, through the teacher too."""
    rows = spec.steps * spec.batch_size
    return {(small(spec), "training"): rows, (f"decode/{spec.backbone}/{spec.px}", "forward"): rows}


def samples(spec: SampleSpec, sizes: Sizes) -> Work:
    """Every image at every timestep, and decoded."""
    decoder = f"decode/{spec.train.backbone}/{spec.train.px}"
    return {
        (unet(spec.train), "forward"): spec.images * spec.inference_steps,
        (decoder, "forward"): spec.images,
    }


def edit(spec: EditSpec, sizes: Sizes, cost: Callable[[str], float]) -> Work:
    """Every face by the spec's sampler, without sharing among equal particles: at most so many rows.

    ``cost`` is a row's operations through a network: "best_of_n" draws as many edits as cost the same.
    """
    sampler, train = spec.sampler, spec.train
    steps = len(edit_timesteps(sampler.inference_steps, sampler.noise_strength))
    decoder = small(spec.decoder) if spec.decoder else f"decode/{train.backbone}/{train.px}"
    scorers = [network_of(spec.guide), *([decoder] if spec.guide.view == "faces" else [])]
    rows = rows_of_smc(sampler)
    match sampler.method:
        case "best_of_n":
            of_guide, *of_decoder = map(cost, scorers)
            costs = {"unet": cost(unet(train)), "guide": of_guide, "decode": sum(of_decoder)}
            edits = equal_cost_particles(sampler, {name: round(value) for name, value in costs.items()})
            rows = {"unet": edits * steps, "score": edits}
        case "none" | "gradient":
            rows = {"unet": steps, "score": 1}
    gradients = spec.images * (steps - 1) * (sampler.method == "gradient")
    ends = f"decode/{train.backbone}/{train.px}", f"encode/{train.backbone}/{train.px}"
    return added(
        {(unet(train), "forward"): spec.images * rows["unet"]},
        *({(scorer, "forward"): spec.images * rows["score"]} for scorer in scorers),
        *({(scorer, "training"): gradients} for scorer in scorers if gradients),
        *({(network, "forward"): 2.0 * spec.images} for network in ends),
    )


def measure(spec: MeasureSpec, sizes: Sizes) -> Work:
    """Pictures before and after through the judge, and all three through the other networks."""
    images = spec.edit.images
    return {
        (network_of(spec.judge), "forward"): 2 * images,
        (f"features/{spec.features}", "forward"): SHOWN * images,
        (f"embedder/{spec.identity}", "forward"): SHOWN * images,
    }


def reconstruction(spec: ReconstructionSpec, sizes: Sizes) -> Work:
    """Every face through the autoencoder and back, and both pictures through the feature network."""
    found = sizes.samples(spec.dataset, spec.split)
    images = found if spec.images is None else min(found, spec.images)
    return {
        (f"encode/{spec.backbone}/{spec.px}", "forward"): images,
        (f"decode/{spec.backbone}/{spec.px}", "forward"): images,
        (f"features/{spec.features}", "forward"): 2 * images,
    }
