"""A stage that fills a device, and what every paper's stages are made with.

Sizes, batches and precisions are those of the specs that scale `paper` plans; weights are random, because
memory does not depend on them.  What runs is the stages' own code: a task's loss with the loop's optimiser,
an evaluation's batches, a sampler.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch
from facetory.adaptdiff import planning as adaptdiff_planning
from facetory.adaptdiff import registry as adaptdiff_registry
from facetory.affectdiff import planning as affectdiff_planning
from facetory.affectdiff import registry as affectdiff_registry
from facetory.diffusion.denoising import Latents as DeviceLatents
from facetory.emodc import planning as emodc_planning
from facetory.emodc import registry as emodc_registry
from facetory.pipeline.config import load_settings
from facetory.pipeline.registry import Study
from facetory.smc import planning as smc_planning
from facetory.smc import registry as smc_registry
from facetory.training import loop
from facetory.training.state import State
from facetory.training.watch import Watch
from memory_tracker import Prepared
from torch import Tensor

WINGS = {
    "emodc": (emodc_registry, emodc_planning),
    "smc": (smc_registry, smc_planning),
    "affectdiff": (affectdiff_registry, affectdiff_planning),
    "adaptdiff": (adaptdiff_registry, adaptdiff_planning),
}
FACES = {"celebahq": 24_183, "ffhq": 70_000, "casia_webface": 490_623}
"""Faces whose latents lie on the device while a model of them is trained."""


class Stage(NamedTuple):
    """A stage at its paper's batch; ``make(batch, device)`` prepares it at any.

    ``scope`` tells what of the stage is run, ``px`` the side of its pictures (None: it sees none).
    """

    name: str
    paper: str
    model: str
    precision: str
    batch: int
    px: int | None
    make: Callable[[int, str], Prepared]
    scope: str = ""


@cache
def study(paper: str) -> Study:
    """All specs of a paper at scale `paper`, as on a machine with a GPU on which everything is placed."""
    registry, planning = WINGS[paper]
    settings = load_settings({"scale": "paper"})
    vars(settings)["device"] = "cuda"
    with mock.patch.object(planning, "why_not", return_value=None):
        return registry.study(settings, lambda name: None, lambda name: None)


def first(specs: dict[str, Any], **fields: Any) -> Any:
    """The first spec with these values."""
    return next(s for s in specs.values() if all(getattr(s, name) == v for name, v in fields.items()))


def partial_of(function: Callable[..., Prepared], *about: Any) -> Callable[[int, str], Prepared]:
    """``function`` of a spec, waiting for batch and device."""
    return lambda batch, device: function(*about, batch, device)


def trained(task: Any, schedule: Any, device: str, data: list[Tensor] | None = None) -> Prepared:
    """One step of the training loop: loss, backward pass, clipping, optimiser, running means.

    Gradients are kept between steps, weights are float32 and half precision is autocast's, as in
    `facetory.training.loop`; the weights of the best validation so far are held where the schedule selects.
    The scaler of fp16 holds three numbers and is left out.
    """
    modules = task.modules()
    weights = loop.named_weights(modules)
    _, optimizer = loop._optimizer(task, schedule, Passing)
    state = State(weights, loop.named_buffers(modules), optimizer, Watch(schedule), schedule, None)
    for weight in weights.values():
        weight.grad = torch.zeros_like(weight)
    for module in modules.values():
        module.train()
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(schedule.precision)

    def step(number: int) -> None:
        positions = np.arange(schedule.batch_size)
        with torch.autocast(device, half or torch.bfloat16, enabled=half is not None):
            loss, _ = task.loss(positions, number)
        loss.backward()
        if schedule.clip:
            loop._clip(optimizer, schedule.clip, Passing)
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        state.update_ema(number)
        if schedule.select and not number:
            state.select({schedule.select: 0.0}, number)

    return Prepared(modules, step, optimizer, data or [], lambda: [*state.ema.values(), *state.kept.values()])


class Passing:
    """An accelerator that changes nothing."""

    @staticmethod
    def prepare(optimizer: Any) -> Any:
        return optimizer

    @staticmethod
    def unscale_gradients() -> None:
        return None


def on(device: str, make: Callable[[], Any]) -> Any:
    """A network with random weights, made on its device."""
    with torch.device(device):
        return make()


def frozen(make: Callable[[], Any], device: str) -> Any:
    """A network with random weights in evaluation mode, without gradients."""
    return on(device, make).to(device).eval().requires_grad_(False)


def on_device(faces: int, shape: tuple[int, ...], device: str) -> DeviceLatents:
    """Latents of a split and of its mirror images, as training holds them."""
    mean, logvar = (torch.zeros(faces, 2, *shape, dtype=torch.float16, device=device) for _ in range(2))
    return DeviceLatents(mean, logvar, torch.arange(faces, device=device), 1.0)
