"""Pretraining a demo's model from a packed data set: autoencoder, then UNet, then a snapshot folder."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from facetory.diffusion import architecture, backbone, snapshot, unconditional
from facetory.diffusion.card import card
from facetory.diffusion.denoising import Latents, NoisePrediction
from facetory.diffusion.latents import both_flips
from facetory.diffusion.pack import Packed, unpack
from facetory.diffusion.pretrain_unet import denoising
from facetory.diffusion.pretrain_vae import Autoencoding, start_small_variance
from facetory.pipeline import randomness
from facetory.pipeline.files import read_json, sha256_of, write_json, write_text
from facetory.pipeline.provenance import manifest
from facetory.training.loop import Schedule, train

if TYPE_CHECKING:
    from torch import Tensor

    from facetory.training.loop import Task


@dataclass(frozen=True)
class Pretraining:
    """How a demo's model is pretrained; a stage with 0 steps keeps the part that lies in the folder.

    ``architecture`` is "demo", whose UNet reads captions, or one with an unconditional UNet.  Without
    ``latent_channels``, its own.  ``grey`` is the fraction of the images that lose their colour while the
    autoencoder is trained.
    """

    vae: Schedule
    unet: Schedule
    architecture: str = "demo"
    latent_channels: int | None = None
    kl_weight: float = 1e-4
    grey: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Place:
    """Where pretraining reads, writes and computes."""

    packed: Path
    folder: Path
    checkpoints: Path
    device: str = "cpu"
    compiled: bool = False


def pretrain(settings: Pretraining, place: Place) -> dict[str, Any]:
    """Train both parts and write the snapshot: unet/, vae/, scheduler/, manifest.json and README.md.

    The UNet learns on latents of the autoencoder as released, rounded to float16; progress.jsonl is its
    training's.  Returns the manifest.
    """
    spec = asdict(settings)
    code = ["diffusion.pretrain"]
    path = place.folder / "manifest.json"
    with manifest(path, "backbone", spec, code, [place.packed], place.device, settings.seed) as record:
        record["inputs"] = {Path(file).name: digest for file, digest in record["inputs"].items()}
        data = unpack(place.packed)
        record["device_name"] = torch.cuda.get_device_name() if place.device.startswith("cuda") else "a CPU"
        record["data"] = _described(data)
        if settings.vae.steps:
            train_vae(settings, place, data)
        if settings.unet.steps:
            train_unet(settings, place, data)
        owner = snapshot if _reads_text(settings) else unconditional
        snapshot.save_scheduler(place.folder, owner.SCHEDULER)
        trained = [part for part in ("vae", "unet") if (place.folder / part / "training.json").exists()]
        record |= {part: read_json(place.folder / part / "training.json") for part in trained}
        record["status"] = "trained" if len(trained) == 2 else f"only the {trained[0]} is trained"
        if len(trained) == 2:
            write_text(place.folder / "README.md", card(record))
        record["sha256"] = snapshot.hashes(place.folder)
    return record


def train_vae(settings: Pretraining, place: Place, data: Packed) -> None:
    """Train the autoencoder, measure it as rounded, set its scaling factor, and write vae/."""
    images, keys = _on_device(data, place.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(randomness.stream_key(settings.seed, "vae", "weights") >> 1)
        vae = architecture.new_vae(settings.architecture, settings.latent_channels)
    start_small_variance(vae)
    vae.to(place.device)
    task = Autoencoding(
        vae, images, keys, data.held_out, settings.seed, settings.kl_weight, place.compiled, settings.grey
    )
    record = _train(settings, place, "vae", settings.vae, task, vae)
    task.vae = backbone.load_vae(place.folder, place.device)
    mean, logvar = encoded(task.vae, images)
    training = mean[torch.from_numpy(~data.held_out).to(mean.device)].float()
    factor = float(1 / training.std())
    vae.register_to_config(scaling_factor=factor)
    snapshot.save(vae, place.folder / "vae")
    record |= _validated(task) | {
        "grey": settings.grey,
        "latent": list(mean.shape[2:]),
        "scaling_factor": factor,
        "posterior_std": float((0.5 * logvar.float()).exp().mean()),
        "channel_std": [round(value, 4) for value in training.transpose(0, 2).flatten(1).std(1).tolist()],
    }
    write_json(place.folder / "vae" / "training.json", record)


def train_unet(settings: Pretraining, place: Place, data: Packed) -> None:
    """Train the UNet on the latents of the autoencoder in the folder, and write unet/."""
    images, keys = _on_device(data, place.device)
    vae = backbone.load_vae(place.folder, place.device)
    latents = Latents(*encoded(vae, images), keys, vae.config.scaling_factor)
    task = denoising(settings.architecture, latents, data, settings.seed, place.compiled)
    record = _train(settings, place, "unet", settings.unet, task, task.unet)
    load = backbone.load_unet if _reads_text(settings) else unconditional.load_unconditional
    task.unet = load(place.folder, place.device)
    write_json(place.folder / "unet" / "training.json", record | _validated(task))
    shutil.copy(place.checkpoints / "unet-log" / "progress.jsonl", place.folder / "progress.jsonl")


@torch.no_grad()
def encoded(vae: Any, images: Tensor, batch_size: int = 256) -> tuple[Tensor, Tensor]:
    """Posterior mean and log-variance of all images and their mirror images, float16, (n, 2, C, h, w)."""
    parts = [[part.half() for part in both_flips(vae, batch)] for batch in images.split(batch_size)]
    mean, logvar = zip(*parts, strict=True)
    return torch.cat(mean), torch.cat(logvar)


def _train(
    settings: Pretraining, place: Place, part: str, schedule: Schedule, task: Task, module: torch.nn.Module
) -> dict[str, Any]:
    """Train one part, save it, and return what its training.json says so far."""
    spec = [part, asdict(settings), sha256_of(place.packed)]
    key = hashlib.sha256(json.dumps(spec).encode()).hexdigest()[:16]
    log, checkpoints = place.checkpoints / f"{part}-log", place.checkpoints / part
    record = train(task, schedule, log, checkpoints, key=key, name=part, device=place.device)
    snapshot.save(module, place.folder / part)
    parameters = sum(weight.numel() for weight in module.parameters())
    return {"batch_size": schedule.batch_size, "parameters": parameters} | record


@torch.no_grad()
def _validated(task: Autoencoding | NoisePrediction) -> dict[str, float]:
    return {name: round(value, 5) for name, value in task.validate(0).items()}


def _reads_text(settings: Pretraining) -> bool:
    return architecture.reads_text(settings.architecture)


def _on_device(data: Packed, device: str) -> tuple[Tensor, Tensor]:
    keys = torch.from_numpy(randomness.sample_keys(data.sample_ids))
    return torch.from_numpy(data.images).to(device), keys.to(device)


def _described(data: Packed) -> dict[str, Any]:
    return {
        "images": len(data.images),
        "held_out": int(data.held_out.sum()),
        "px": data.images.shape[-1],
        "captions": len(data.captions),
        "example": data.captions[len(data.captions) // 2],
    }
