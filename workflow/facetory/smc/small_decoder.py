"""Distilling the autoencoder's decoder into a small one, which shows a guide what it needs for less."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from facetory.diffusion.backbone import placed_vae
from facetory.diffusion.catalogue import part_folder
from facetory.diffusion.latents import sample_posterior
from facetory.diffusion.pixels import psnr
from facetory.diffusion.pretrain_vae import laplacian_l1
from facetory.diffusion.small_decoder import small_decoder
from facetory.pipeline import randomness
from facetory.pipeline.files import (
    FacetoryError,
    open_tensors,
    read_json,
    read_metadata,
    sha256_of,
    write_tensors,
)
from facetory.pipeline.fingerprint import fingerprint
from facetory.pipeline.provenance import manifest
from facetory.smc.spec import SmallDecoderSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

HELD_OUT = 0.05
"""Fraction of the samples, the last ones, that the decoder does not learn from."""
VALIDATED = 256


def train_small_decoder(
    spec: SmallDecoderSpec,
    latents: Path | str,
    backbone: Path | str,
    folder: Path | str,
    checkpoints: Path | str,
    device: str = "cpu",
) -> None:
    """Train a small decoder: weights.safetensors, progress.jsonl and manifest.json in ``folder``.

    ``latents`` are a training split's, ``backbone`` is the autoencoder's manifest.  The manifest holds
    ``psnr`` (dB) against the autoencoder's decoder on held-out faces.  A run that diverges is a result: its
    manifest has status "failed" with the reason, and no weights are left.
    """
    from facetory.training.loop import Schedule, TrainingDiverged, train

    folder, place = Path(folder), part_folder(Path(read_json(backbone)["folder"]), "vae")
    result, manifest_path = folder / "weights.safetensors", folder / "manifest.json"
    for stale in (result, manifest_path):
        stale.unlink(missing_ok=True)
    inputs = [latents, *(sorted(place.glob("*.safetensors")) if place else [])]
    with manifest(
        manifest_path, "smc decoder", spec.canonical(), ["smc.small_decoder"], inputs, device, spec.seed
    ) as record:
        task = Distillation(spec, latents, placed_vae(backbone, device))
        key = fingerprint(record)
        schedule = Schedule.of(spec, warmup=max(1, spec.steps // 20))
        try:
            outcome = train(
                task, schedule, folder, Path(checkpoints) / key, key=key, name=spec.id, device=device
            )
        except TrainingDiverged as error:
            record |= {"status": "failed", "reason": str(error)}
            return
        with torch.no_grad():
            scores = task.validate(spec.steps)
        weights = {name: tensor.cpu().contiguous() for name, tensor in task.decoder.state_dict().items()}
        write_tensors(result, weights, {"channels": task.mean.shape[2], "widths": list(spec.widths)})
        record |= {
            "status": "trained",
            "training": outcome,
            "held_out": len(task.held_out),
            "psnr": round(scores["psnr"], 4),
            "parameters": sum(weight.numel() for weight in task.decoder.parameters()),
            "outputs": {result.name: sha256_of(result)},
        }


class Distillation:
    """Decode posterior draws as the frozen autoencoder does: L1 and the L1 of the Laplacian pyramid.

    Flip and draw of a sample are functions of (seed, sample id, step).  Widths that do not lead to the
    autoencoder's image are a `FacetoryError`.
    """

    def __init__(self, spec: SmallDecoderSpec, latents: Path | str, vae: Any) -> None:
        upsamplings = len(vae.config.block_out_channels) - 1
        if len(spec.widths) != upsamplings + 1:
            raise FacetoryError(
                f"{spec.id}: widths {list(spec.widths)} are {len(spec.widths)}, but {spec.backbone} doubles "
                f"the side {upsamplings} times. Give {upsamplings + 1} widths."
            )
        with open_tensors(latents, "pt") as handle:
            self.mean, self.logvar = (handle.get_tensor(name) for name in ("mean", "logvar"))
        self.vae, self.device = vae.to(memory_format=torch.channels_last), vae.device
        self.keys = torch.from_numpy(randomness.sample_keys(read_metadata(latents)["sample_ids"]))
        self.size = len(self.mean) - max(1, round(HELD_OUT * len(self.mean)))
        self.held_out = torch.arange(self.size, len(self.mean))[:VALIDATED]
        self.streams = {
            purpose: randomness.stream_key(spec.seed, "small decoder", purpose)
            for purpose in ("flip", "posterior", "weights")
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.streams["weights"] >> 1)
            self.decoder = small_decoder(self.mean.shape[2], spec.widths).to(self.device)

    def modules(self) -> dict[str, nn.Module]:
        return {"decoder": self.decoder}

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.decoder.parameters())}]

    def loss(self, positions: np.ndarray, step: int) -> tuple[Tensor, dict[str, float | Tensor]]:
        latents = self._draw(torch.from_numpy(positions), step)
        with torch.no_grad():
            images = self.teach(latents)
        difference = self.decoder(latents).float() - images
        l1, laplacian = difference.abs().mean(), laplacian_l1(difference)
        return l1 + laplacian, {"l1": l1.detach(), "laplacian": laplacian.detach()}

    def validate(self, step: int) -> dict[str, float]:
        """PSNR (dB) against the autoencoder's decoder, mean over the posterior means of held-out faces."""
        found = []
        for rows in self.held_out.split(16):
            latents = self.mean[rows, 0].to(self.device).float() * self.vae.config.scaling_factor
            found.append(psnr(self.decoder(latents), self.teach(latents)))
        return {"psnr": float(torch.cat(found).mean())}

    def teach(self, latents: Tensor) -> Tensor:
        """What the autoencoder decodes, (batch, 3, px, px) about -1 … 1, of scaled latents."""
        return self.vae.decode(latents / self.vae.config.scaling_factor).sample.float()

    def _draw(self, positions: Tensor, step: int) -> Tensor:
        """Scaled posterior draws of the faces or their mirror images, (batch, C, h, w) on the device."""
        keys, views = self.keys[positions].to(self.device), self.mean.shape[1]
        flip = (randomness.uniform(self.streams["flip"], keys, step, 1)[:, 0] * views).long().cpu()
        mean, logvar = (part[positions, flip].to(self.device).float() for part in (self.mean, self.logvar))
        noise = randomness.normal(self.streams["posterior"], keys, step, mean[0].numel())
        return sample_posterior(mean, logvar, noise.reshape(mean.shape), self.vae.config.scaling_factor)
