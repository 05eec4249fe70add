"""Pretraining the demo's identity-conditioned generator."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from facetory.adaptdiff.architectures import architecture
from facetory.adaptdiff.generator import WEIGHTS, load_generator
from facetory.adaptdiff.learnt import Learnt
from facetory.adaptdiff.pretraining import AUTOENCODER, Place, Pretraining, on_device, people_of, rounded, run
from facetory.adaptdiff.task import IdentityNoisePrediction
from facetory.adaptdiff.unet import IdentityUNet
from facetory.diffusion import backbone
from facetory.diffusion.denoising import Latents
from facetory.diffusion.pretrain import encoded
from facetory.diffusion.schedule import alpha_bars, linear_betas
from facetory.pipeline.files import write_tensors
from facetory.pipeline.randomness import stream_key
from facetory.recognition.demo_identity import read_network
from facetory.recognition.telling_apart import embedded

if TYPE_CHECKING:
    from facetory.diffusion.pack import Packed

CONTEXT = "context.safetensors"


def train_generator(settings: Pretraining, place: Place, data: Packed) -> dict[str, Any]:
    """Train the UNet under contexts of the network in the folder; write generator/, weights in float16.

    Validation is that of the weights as written.
    """
    schedule, folder = settings.generator, place.folder / "generator"
    learnt = read_packed(place, data)
    latent = list(learnt.latents.mean.shape[2:])
    sizes = architecture(
        settings.architecture,
        input_channels=latent[0],
        context_size=learnt.contexts.shape[-1],
        context_dropout=settings.context_dropout,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_key(schedule.seed, "adaptdiff", "weights") >> 1)
        unet = IdentityUNet(sizes).to(place.device)
    task = IdentityNoisePrediction(unet, learnt, alpha_bars(linear_betas()), schedule.seed)
    models = (place.folder / CONTEXT, place.first_stage / AUTOENCODER)
    record = run(task, schedule, place, "generator", settings, *models)
    weights = {name: weight.detach().half().cpu() for name, weight in unet.state_dict().items()}
    about = {"architecture": sizes.about(), "latent": latent, "scaling_factor": learnt.latents.scaling_factor}
    write_tensors(folder / WEIGHTS, weights, about)
    shutil.copy(place.checkpoints / "generator-log" / "progress.jsonl", folder / "progress.jsonl")
    task.unet = load_generator(folder, place.device)[0]
    with torch.no_grad():
        validated = task.validate(schedule.steps)
    return (
        record
        | {
            "parameters": sum(weight.numel() for weight in unet.parameters()),
            "samples_learnt_from": task.size,
            "held_out": len(learnt.people) - task.size,
            "latent": latent,
            "scaling_factor": learnt.latents.scaling_factor,
        }
        | rounded(validated)
    )


def read_packed(place: Place, data: Packed) -> Learnt:
    """What a packed data set gives the generator to learn from: latents and contexts of the models placed."""
    images, keys = on_device(data, place.device)
    vae = backbone.load_vae(place.first_stage, place.device)
    network = read_network(place.folder / CONTEXT)[0].to(place.device)
    latents = Latents(*encoded(vae, images), keys, vae.config.scaling_factor)
    return Learnt(latents, both_embedded(network, images), people_of(data.sample_ids), 0)


def both_embedded(network: nn.Module, images: Tensor) -> Tensor:
    """Contexts (n, 2, d) of images uint8 (n, 3, px, px) and of their mirror images."""
    rows = np.arange(len(images))
    pair = [embedded(network, shown, rows) for shown in (images, images.flip(-1))]
    return torch.from_numpy(np.stack(pair, 1)).to(images.device)
