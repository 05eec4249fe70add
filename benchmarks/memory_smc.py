"""SMC's stages: the diffusion model and its small decoder, edits, samples and measures."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import torch
from facetory.data.labels import BASIC
from facetory.diffusion.architecture import new_vae
from facetory.diffusion.denoising import NoisePrediction
from facetory.diffusion.schedule import alphas_cumprod
from facetory.diffusion.small_decoder import small_decoder
from facetory.diffusion.unconditional import new_unconditional
from facetory.pipeline.randomness import sample_keys, stream_key
from facetory.recognition import identity as identities
from facetory.recognition.features import BATCH as FEATURES_BATCH
from facetory.recognition.guide import Guide
from facetory.recognition.networks import build
from facetory.smc.editing import GROUP_ROWS, sampled
from facetory.smc.measure import probabilities
from facetory.smc.parts import Parts
from facetory.smc.sample import draw as draw_samples
from facetory.smc.small_decoder import Distillation
from facetory.training import loop
from memory_comparators import train_classifier
from memory_encoders import embed, inception
from memory_stage import FACES, Stage, frozen, on, on_device, partial_of, study, trained
from memory_tracker import Prepared
from torch import nn


def of_smc() -> list[Stage]:
    """The unconditional UNet, the small decoder, edits by particles and by the gradient, and measures."""
    own = study("smc")
    diffusion, decoder = next(iter(own.diffusions.values())), next(iter(own.decoders.values()))
    edits = list(own.edits.values())
    looking = [edit for edit in edits if edit.guide.view == "faces" and edit.decoder is None]
    smc = next(edit for edit in looking if edit.sampler.method == "smc" and edit.sampler.particles == 20)
    gradients = [edit for edit in edits if edit.sampler.method == "gradient"]
    ways = {edit.guide.view: edit for edit in gradients}
    latent = next((edit.guide for edit in edits if edit.guide.view == "latents"), None)
    sample, measure = next(iter(own.samples.values())), next(iter(own.measures.values()))
    px = diffusion.px
    faces = GROUP_ROWS // smc.sampler.particles
    told = f"{faces} faces of {smc.sampler.particles} particles, all distinct; two steps"
    networks = "UNet, autoencoder, ViT-B/16"
    through = smc.sampler.model_copy(update={"method": "gradient", "scored": "x0"})
    far = smc.model_copy(update={"sampler": through})
    stages = [
        Stage(
            "training, diffusion model",
            "smc",
            "unconditional UNet",
            diffusion.precision,
            diffusion.batch_size,
            px,
            partial_of(train_smc, diffusion),
            "all latents lie on the device",
        ),
        Stage(
            "training, small decoder",
            "smc",
            "small decoder, autoencoder as its teacher",
            decoder.precision,
            decoder.batch_size,
            px,
            partial_of(train_decoder, decoder),
        ),
        Stage("editing by particles", "smc", networks, "no", smc.batch_rows, px, partial_of(edit, smc), told),
        *(
            Stage(
                f"editing by the gradient, guide on {view}",
                "smc",
                networks if view == "faces" else "UNet, autoencoder, latent CNN",
                "no",
                way.batch_rows,
                px,
                partial_of(edit, way),
                f"{GROUP_ROWS // way.sampler.particles} faces; two steps",
            )
            for view, way in ways.items()
        ),
        Stage(
            "editing by the gradient, guide on x̂_0's faces",
            "smc",
            networks,
            "no",
            smc.batch_rows,
            px,
            partial_of(edit, far),
            f"{faces} faces; differentiated through guide, decoder and UNet; in no table of the paper",
        ),
        Stage(
            "samples",
            "smc",
            "UNet, autoencoder",
            "no",
            sample.batch_rows,
            px,
            partial_of(sample_smc, sample),
            f"one of {sample.inference_steps} steps, and decoding",
        ),
        Stage(
            "measures, Inception", "smc", "Inception-v3", "no", FEATURES_BATCH, px, partial_of(inception, px)
        ),
        Stage(
            "measures, FaceNet",
            "smc",
            "FaceNet",
            "no",
            identities.BATCH,
            px,
            partial_of(embed, "facenet", px),
        ),
        Stage(
            "measures, judge",
            "smc",
            measure.judge.network,
            "no",
            measure.edit.batch_rows,
            px,
            partial_of(judge, measure.judge, px),
        ),
    ]
    if latent:
        stages.append(
            Stage(
                "training, guide on latents",
                "smc",
                latent.network,
                latent.precision,
                latent.batch_size,
                latent.px,
                partial_of(train_classifier, latent),
            )
        )
    return stages


def train_smc(spec: Any, batch: int, device: str) -> Prepared:
    """A step of the diffusion model's task."""
    unet = on(device, lambda: new_unconditional(spec.architecture, 4))
    latents = on_device(FACES[spec.dataset], (4, spec.px // 8, spec.px // 8), device)
    task = NoisePrediction(
        unet, latents, alphas_cumprod(1000, spec.beta_start, spec.beta_end), seed=spec.seed
    )
    spec = spec.model_copy(update={"batch_size": batch})
    schedule = loop.Schedule.of(spec, ema=spec.ema)
    return trained(task, schedule, device, [*latents[:3], task.training, task.alpha_bar])


def train_decoder(spec: Any, batch: int, device: str) -> Prepared:
    """A step of the distillation, the teacher's pass included."""
    vae, side = frozen(lambda: new_vae("sd21"), device), spec.px // 8
    task = object.__new__(Distillation)
    moments = torch.zeros(batch, 2, 4, side, side, dtype=torch.float16)
    vars(task).update(
        vae=vae,
        device=torch.device(device),
        mean=moments,
        logvar=moments,
        keys=torch.arange(batch),
        size=batch,
        streams={purpose: stream_key(0, purpose) for purpose in ("flip", "posterior")},
        decoder=on(device, lambda: small_decoder(4, spec.widths)),
    )
    spec = spec.model_copy(update={"batch_size": batch})
    ready = trained(task, loop.Schedule.of(spec, warmup=1), device)
    return ready._replace(networks=ready.networks | {"vae": vae})


def edit(spec: Any, batch: int, device: str) -> Prepared:
    """Two steps of a group of faces, forward passes of ``batch`` rows."""
    vae = frozen(lambda: new_vae("sd21"), device)
    unet = frozen(lambda: new_unconditional(spec.train.architecture, 4), device)
    side, faces = spec.train.px // 8, max(1, GROUP_ROWS // spec.sampler.particles)
    guide, network = guide_of(spec.guide, device)
    alpha_bar = alphas_cumprod(1000, spec.train.beta_start, spec.train.beta_end).to(device)
    parts = Parts(unet, vae, guide, alpha_bar, batch_rows=batch)
    z_0, keys = torch.zeros(faces, 4, side, side, device=device), sample_keys([f"f{i}" for i in range(faces)])
    targets = torch.zeros(faces, dtype=torch.int64, device=device)

    def step(number: int) -> Any:
        with torch.no_grad():
            return sampled(z_0, keys, targets, parts, spec.sampler, [4, 0])

    return Prepared({"unet": unet, "vae": vae, "guide": network}, step)


def guide_of(spec: Any, device: str) -> tuple[Guide, nn.Module]:
    """A guide by its spec, and its network."""
    from facetory.recognition import guide

    shape = (4, spec.px // 8) if spec.view == "latents" else (3, spec.px)
    network = frozen(lambda: build(spec, len(BASIC), *shape), device)
    with mock.patch.object(guide, "load", return_value=(network, list(BASIC))):
        return guide.load_guide("", spec, device), network


def sample_smc(spec: Any, batch: int, device: str) -> Prepared:
    """A step of DDPM, and decoding, forward passes of ``batch`` rows."""
    vae = frozen(lambda: new_vae("sd21"), device)
    unet = frozen(lambda: new_unconditional(spec.train.architecture, 4), device)
    spec = spec.model_copy(update={"inference_steps": 1, "batch_rows": batch})
    return Prepared({"unet": unet, "vae": vae}, lambda number: draw_samples(spec, unet, vae))


def judge(spec: Any, px: int, batch: int, device: str) -> Prepared:
    """A batch of the judge's probabilities."""
    guide, network = guide_of(spec, device)
    images = np.zeros((batch, 3, px, px), np.uint8)

    return Prepared({"judge": network}, lambda number: probabilities(guide, images, batch))
