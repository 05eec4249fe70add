"""Fine-tuning the backbone's adapter under one of EmoDC's losses (Section III-B)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facetory.diffusion.latents import sample_posterior
from facetory.diffusion.schedule import alphas_cumprod
from facetory.emodc.errors import noise_prediction_errors, share_text
from facetory.emodc.inputs import read_backbone, read_latents, read_text, unet_files
from facetory.emodc.losses import MARGIN_LOSSES, objective, prompts_needed
from facetory.emodc.spec import EmoDCTrainSpec
from facetory.pipeline.files import sha256_of
from facetory.pipeline.fingerprint import fingerprint
from facetory.pipeline.provenance import manifest
from facetory.pipeline.randomness import normal, sample_keys, stream_key, uniform

if TYPE_CHECKING:
    from torch import Tensor, nn

    from facetory.emodc.active_set import Measure
    from facetory.training.loop import Schedule

ABBREVIATIONS = {"positive": "d_p", "negative": "d_n"}


def train_emodc(
    spec: EmoDCTrainSpec,
    latents: Path | str,
    text: Path | str,
    backbone: Path | str,
    folder: Path | str,
    checkpoints: Path | str,
    device: str = "cpu",
) -> None:
    """Train one run: adapter.safetensors, progress.jsonl, tensorboard/ and manifest.json in ``folder``.

    ``backbone`` is its manifest, or its folder.  A run that diverges is a result: its manifest has status
    "failed" with the reason, and no adapter is left.  Checkpoints are kept apart by spec, code and inputs, so
    that a changed loss never resumes from an old one.
    """
    from facetory.diffusion import lora
    from facetory.training.loop import TrainingDiverged, train

    folder = Path(folder)
    adapter, manifest_path = folder / "adapter.safetensors", folder / "manifest.json"
    inputs = [latents, text, *unet_files(read_backbone(backbone))]
    for stale in (adapter, manifest_path):
        stale.unlink(missing_ok=True)
    with manifest(
        manifest_path, "emodc train", spec.canonical(), ["emodc.train"], inputs, device, spec.seed
    ) as record:
        task = EmoDCTask(spec, latents, text, backbone, device)
        key = fingerprint(record)
        try:
            outcome = train(
                task,
                schedule_of(spec),
                folder,
                Path(checkpoints) / key,
                key=key,
                name=spec.id,
                device=device,
                tensorboard=True,
            )
        except TrainingDiverged as error:
            record |= {"status": "failed", "reason": str(error)}
            return
        weights = lora.trainable_parameters(task.unet)
        lora.save(adapter, dict(weights), spec.lora_rank, spec.lora_alpha, spec.lora_targets)
        record |= {
            "status": "trained",
            "training": outcome,
            "parameters": sum(weight.numel() for weight in weights.values()),
            "outputs": {adapter.name: sha256_of(adapter)},
        }


def schedule_of(spec: EmoDCTrainSpec) -> Schedule:
    """The loop's schedule: AdamW at a constant rate (Section IV-B).

    Divergence is watched on d_p: from its usual level of 0.2, five times more is the error of predicting 0.
    """
    from facetory.training.loop import Schedule

    return Schedule.of(spec, watched="d_p", divergence_factor=5.0)


class EmoDCTask:
    """The task of `facetory.training.loop.train`: cached latents and text in, one of EmoDC's losses out.

    Flip, posterior sample, timestep, noise and negative class of a sample are functions of (seed, sample id,
    step) alone.
    """

    def __init__(
        self,
        spec: EmoDCTrainSpec,
        latents: Path | str,
        text: Path | str,
        backbone: Path | str,
        device: str = "cpu",
    ) -> None:
        import torch

        from facetory.diffusion import lora
        from facetory.diffusion.backbone import load_unet
        from facetory.emodc.active_set import ActiveSet

        self.spec, self.device = spec, torch.device(device)
        self.latents = read_latents(latents, training=True)
        self.size = len(self.latents.labels)
        self.keys = sample_keys(self.latents.sample_ids)
        self.tokens = torch.from_numpy(read_text(text, self.latents.classes)).to(self.device)
        self.alpha_bars = alphas_cumprod().to(self.device)
        snapshot, self.prediction_type = read_backbone(backbone)
        self.unet = share_text(load_unet(snapshot, device))
        lora.inject(self.unet, spec.lora_rank, spec.lora_alpha, spec.lora_targets, spec.seed)
        self.roles = prompts_needed(spec.loss, spec.non_negative_prompt)
        self.active_set = ActiveSet(spec.active_set, self.device)

    def modules(self) -> dict[str, nn.Module]:
        """The UNet, of which only the adapter requires gradients, and the state of active-set training."""
        return {"unet": self.unet, "active_set": self.active_set}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The adapter's parameters, all with the schedule's rate and decay."""
        from facetory.diffusion import lora

        return [{"params": list(lora.trainable_parameters(self.unet).values())}]

    def loss(self, positions: np.ndarray, step: int) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Mean objective over the samples at ``positions``; d_p, d_n, d_nn and the active fraction."""
        from facetory.emodc.active_set import loss_of_active

        measure = self._measure(positions, step)
        hinge = self.spec.loss in MARGIN_LOSSES
        if hinge and self.active_set.decide(step):
            errors, losses, loss = loss_of_active(measure)
        else:
            errors, losses = measure(slice(None))
            loss = losses.mean()
        numbers: dict[str, float | Tensor] = {
            ABBREVIATIONS.get(role, "d_nn"): d.detach().mean() for role, d in errors.items()
        }
        if hinge:
            active = losses.detach() > 0
            self.active_set.note(active)
            numbers["active_fraction"] = active.float().mean()
        return loss, numbers

    def _measure(self, positions: np.ndarray, step: int) -> Measure:
        """From rows of the batch to their errors by prompt and their losses."""
        import torch

        latents, noise = self._latents(positions, step), self._normal("noise", positions, step)
        timesteps = (self._uniform("timestep", positions, step) * len(self.alpha_bars)).astype(np.int64)
        timestep = torch.from_numpy(timesteps).to(self.device)
        prompts = torch.from_numpy(self._prompts(positions, step)).to(self.device)

        def measure(rows: slice | Tensor) -> tuple[dict[str, Tensor], Tensor]:
            errors = noise_prediction_errors(
                self.unet,
                latents[rows],
                noise[rows],
                timestep[rows],
                self.tokens,
                self.alpha_bars,
                self.prediction_type,
                prompts[rows],
            )
            by_role = dict(zip(self.roles, errors.unbind(1), strict=True))
            return by_role, objective(self.spec, by_role)

        return measure

    def validate(self, step: int) -> dict[str, float]:
        """Nothing: the paper holds no samples back, and evaluation is a stage of its own."""
        return {}

    def _latents(self, positions: np.ndarray, step: int) -> Tensor:
        """A posterior sample of the image or its mirror image, scaled, (batch, C, h, w) float32."""
        import torch

        flip = (self._uniform("flip", positions, step) < 0.5).astype(np.int64)
        mean, logvar = (
            torch.from_numpy(moment[positions, flip]).to(self.device).float()
            for moment in (self.latents.mean, self.latents.logvar)
        )
        noise = self._normal("posterior", positions, step)
        return sample_posterior(mean, logvar, noise, self.latents.scaling_factor)

    def _prompts(self, positions: np.ndarray, step: int) -> np.ndarray:
        """Rows of the text file under which each sample is seen, (batch, roles) int64."""
        labels, classes = self.latents.labels[positions], len(self.latents.classes)
        wrong = (self._uniform("negative", positions, step) * (classes - 1)).astype(np.int64)
        rows = {
            "positive": labels,
            "negative": wrong + (wrong >= labels),
            "non_class": np.full_like(labels, classes),
            "null": np.full_like(labels, classes + 1),
        }
        return np.stack([rows[role] for role in self.roles], axis=1)

    def _uniform(self, purpose: str, positions: np.ndarray, step: int) -> np.ndarray:
        return uniform(stream_key(self.spec.seed, "emodc", purpose), self.keys[positions], step, 1)[:, 0]

    def _normal(self, purpose: str, positions: np.ndarray, step: int) -> Tensor:
        import torch

        shape = self.latents.mean.shape[2:]
        keys = torch.from_numpy(self.keys[positions]).to(self.device)
        key = stream_key(self.spec.seed, "emodc", purpose)
        return normal(key, keys, step, int(np.prod(shape))).unflatten(1, shape)
