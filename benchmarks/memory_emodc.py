"""EmoDC's stages: Stable Diffusion 2.1's UNet with LoRA, as a classifier, in races and drawing faces."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import torch
from facetory.data.labels import BASIC
from facetory.diffusion import lora
from facetory.diffusion.architecture import new_unet, new_vae
from facetory.diffusion.schedule import alphas_cumprod
from facetory.emodc import generate
from facetory.emodc.active_set import ActiveSet
from facetory.emodc.classifier import errors_by_class
from facetory.emodc.errors import share_text
from facetory.emodc.inputs import Backbone, Latents
from facetory.emodc.losses import prompts_needed
from facetory.emodc.race import measured as raced
from facetory.emodc.train import EmoDCTask
from facetory.emodc.train import schedule_of as emodc_schedule
from facetory.pipeline.randomness import sample_keys
from memory_encoders import encode
from memory_stage import Stage, first, frozen, on, partial_of, study, trained
from memory_tracker import Prepared
from torch import nn

TOKENS, TEXT_WIDTH = 77, 1024


def of_emodc() -> list[Stage]:
    """Stable Diffusion 2.1's UNet with LoRA: training, the diffusion classifier, races, faces."""
    own = study("emodc")
    amdit = first(own.runs, loss="amdit", non_negative_prompt="positive", dataset="rafdb_basic")
    three = first(own.runs, loss="amdit", non_negative_prompt="non_class")
    seen = first(own.evaluations, train=amdit)
    zero_shot = first(own.evaluations, train=None)
    raced, drawn = next(iter(own.races.values())), next(iter(own.generations.values()))
    sd21 = ("emodc", "UNet of Stable Diffusion 2.1")
    vae = ("emodc", "autoencoder of Stable Diffusion 2.1")
    adapter = (*sd21[:1], f"{sd21[1]}, LoRA of rank {amdit.lora_rank}")
    train = (amdit.precision, amdit.batch_size, amdit.px)
    every = "all samples active: the pass without gradients, then the full one"
    skipping = amdit.model_copy(update={"active_set": "always"})
    whole = amdit.model_copy(update={"active_set": "never"})
    third = three.model_copy(update={"active_set": "never"})
    images = len(drawn.guidance_scales) * len(BASIC) * drawn.per_class
    drawing = f"{images} faces, each with its unguided twin; one of {drawn.steps} steps"
    encoding = "one batch; clean faces are encoded with their mirror images, one after the other"
    return [
        Stage("training, AMDiT (2 prompts)", *adapter, *train, partial_of(train_emodc, whole)),
        Stage("training, AMDiT (3 prompts)", *adapter, *train, partial_of(train_emodc, third)),
        Stage("training, AMDiT, active set", *adapter, *train, partial_of(train_emodc, skipping), every),
        Stage(
            "evaluation", *sd21, seen.precision, seen.batch_size, seen.px, partial_of(evaluate_emodc, seen)
        ),
        Stage(
            "evaluation, zero-shot",
            *sd21,
            zero_shot.precision,
            zero_shot.batch_size,
            zero_shot.px,
            partial_of(evaluate_emodc, zero_shot),
        ),
        Stage("racing", *sd21, raced.precision, raced.batch_size, raced.px, partial_of(race_emodc, raced)),
        Stage("generation", *sd21, "no", images, drawn.px, partial_of(generate_emodc, drawn), drawing),
        *(
            Stage(f"encoding at {px} px", *vae, "no", 16, px, partial_of(encode, "sd21", px), encoding)
            for px in (amdit.px, zero_shot.px)
        ),
    ]


def train_emodc(spec: Any, batch: int, device: str) -> Prepared:
    """A step of EmoDC's task; the adapter lies beside the frozen weights."""
    unet = share_text(on(device, lambda: new_unet("sd21")).eval())
    lora.inject(unet, spec.lora_rank, spec.lora_alpha, spec.lora_targets, spec.seed)
    unet.to(device)
    side, names = spec.px // 8, [f"face {i}" for i in range(batch)]
    moments = np.zeros((batch, 2, 4, side, side), np.float16)
    labels = np.arange(batch) % len(BASIC)
    task = object.__new__(EmoDCTask)
    vars(task).update(
        spec=spec,
        device=torch.device(device),
        latents=Latents(moments, moments, labels, names, names, list(BASIC), 0.18215, spec.dataset),
        size=batch,
        keys=sample_keys(names),
        tokens=torch.zeros(len(BASIC) + 2, TOKENS, TEXT_WIDTH, device=device),
        alpha_bars=alphas_cumprod().to(device),
        unet=unet,
        prediction_type="epsilon",
        roles=prompts_needed(spec.loss, spec.non_negative_prompt),
        active_set=ActiveSet(spec.active_set, device),
    )
    if spec.active_set == "never":
        task.active_set.decide = lambda step: False
    spec = spec.model_copy(update={"batch_size": batch})
    return trained(task, emodc_schedule(spec), device)


def classifier_of(device: str) -> nn.Module:
    """The UNet as the diffusion classifier has it, the adapter folded in."""
    return share_text(frozen(lambda: new_unet("sd21"), device))


def evaluate_emodc(spec: Any, batch: int, device: str) -> Prepared:
    """Batches of the diffusion classifier."""
    unet, side = classifier_of(device), spec.px // 8
    tokens = torch.zeros(len(BASIC), TOKENS, TEXT_WIDTH, device=device)
    pairs = max(1, batch // len(BASIC))
    latents, keys = torch.zeros(pairs, 4, side, side), sample_keys([f"face {i}" for i in range(pairs)])
    bars, times = alphas_cumprod().to(device), np.array([500, 600])

    def step(number: int) -> Any:
        given = (unet, latents, keys, times, tokens, bars, "epsilon")
        return errors_by_class(*given, batch_size=batch, precision=spec.precision)

    return Prepared({"unet": unet}, step)


def race_emodc(spec: Any, batch: int, device: str) -> Prepared:
    """Full batches of a race, each row with a face, a timestep and a prompt of its own."""
    unet, side = classifier_of(device), spec.px // 8
    tokens = torch.zeros(len(BASIC), TOKENS, TEXT_WIDTH, device=device)
    latents, keys = torch.zeros(batch, 4, side, side), sample_keys([f"face {i}" for i in range(batch)])
    bars, rows = alphas_cumprod().to(device), np.arange(batch)
    given = (unet, latents, keys, np.array([500]), tokens, bars, "epsilon")
    measure = raced(*given, batch_size=batch, precision=spec.precision)
    return Prepared({"unet": unet}, lambda number: measure(rows, rows * 0, rows % len(BASIC)))


def generate_emodc(spec: Any, batch: int, device: str) -> Prepared:
    """A step of DDIM, and decoding."""
    unet, vae = classifier_of(device), frozen(lambda: new_vae("sd21"), device)
    asked = len(spec.guidance_scales) * len(BASIC)
    spec = spec.model_copy(update={"steps": 1, "per_class": max(1, batch // asked)})
    tokens = torch.zeros(len(BASIC) + 2, TOKENS, TEXT_WIDTH, device=device)

    def step(number: int) -> Any:
        with (
            mock.patch.object(generate, "model", return_value=unet),
            mock.patch("facetory.diffusion.backbone.load_vae", return_value=vae),
        ):
            return generate.draw(spec, Backbone(None, "epsilon"), None, tokens, device)

    return Prepared({"unet": unet, "vae": vae}, step)
