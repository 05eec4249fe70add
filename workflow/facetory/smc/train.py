"""Training the unconditional latent diffusion model (SMC, Sections 2.3 and 3.1)."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.diffusion.denoising import Latents, NoisePrediction
from facetory.diffusion.latents import require_mirror_images
from facetory.diffusion.schedule import alphas_cumprod
from facetory.diffusion.unconditional import load_unconditional, new_unconditional, save_unconditional
from facetory.pipeline.files import FacetoryError, open_tensors, read_metadata, sha256_of
from facetory.pipeline.fingerprint import fingerprint
from facetory.pipeline.provenance import manifest
from facetory.pipeline.randomness import sample_keys, stream_key
from facetory.smc.spec import SMCTrainSpec

if TYPE_CHECKING:
    from torch import Tensor

SHARED = ("encoder", "px", "scaling_factor")
"""What latents must have in common to be learnt from together."""


def train_smc(
    spec: SMCTrainSpec,
    latents: Sequence[Path | str],
    folder: Path | str,
    checkpoints: Path | str,
    device: str = "cpu",
) -> None:
    """Train one model: unet/ in float32, progress.jsonl, tensorboard/ and manifest.json in ``folder``.

    ``latents`` are the training splits of ``spec.dataset`` and then of ``spec.also``; every face of all of
    them comes once an epoch.  A run that diverges is a result: its manifest has status "failed" with the
    reason, and no weights are left.  Checkpoints are kept apart by spec, code and inputs.
    """
    from facetory.training.loop import Schedule, TrainingDiverged, train

    folder = Path(folder)
    manifest_path = folder / "manifest.json"
    shutil.rmtree(folder / "unet", ignore_errors=True)
    manifest_path.unlink(missing_ok=True)
    initial = sorted((Path(spec.initial) / "unet").glob("*.*")) if spec.initial else []
    inputs = [*latents, *initial]
    with manifest(
        manifest_path, "smc train", spec.canonical(), ["smc.train"], inputs, device, spec.seed
    ) as record:
        learnt = read_latents(latents, device)
        unet = starting_unet(spec, learnt.mean.shape[2]).to(device)
        alpha_bar = alphas_cumprod(1000, spec.beta_start, spec.beta_end)
        task = NoisePrediction(unet, learnt, alpha_bar, seed=spec.seed)
        key = fingerprint(record)
        record |= {
            "samples": task.size,
            "epochs": spec.steps * spec.batch_size / task.size,
            "parameters": sum(weight.numel() for weight in unet.parameters()),
        }
        try:
            outcome = train(
                task,
                Schedule.of(spec, ema=spec.ema),
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
        save_unconditional(unet, folder)
        outputs = {f"unet/{file.name}": sha256_of(file) for file in sorted((folder / "unet").iterdir())}
        record |= {"status": "trained", "training": outcome, "outputs": outputs}


def read_latents(paths: Sequence[Path | str], device: str = "cpu") -> Latents:
    """The faces of all files, one after the other, on the device.

    A file of another encoder, size or scaling factor than the first is a `FacetoryError`, and so is one
    without mirror images.  Equal sample ids of two datasets are two samples.
    """
    import torch

    first = read_metadata(paths[0])
    means: list[Tensor] = []
    logvars: list[Tensor] = []
    names: list[str] = []
    for path in paths:
        about = read_metadata(path)
        for name in SHARED:
            if about[name] != first[name]:
                raise FacetoryError(
                    f"{path}: its {name} is {about[name]}, that of {paths[0]} is {first[name]}. Only latents "
                    "of one autoencoder at one size can be learnt from together: encode both alike."
                )
        with open_tensors(path, "pt") as handle:
            mean, logvar = (handle.get_tensor(name) for name in ("mean", "logvar"))
        require_mirror_images(mean, path)
        means.append(mean.to(device))
        logvars.append(logvar.to(device))
        names += [f"{about['dataset']}/{sample_id}" for sample_id in about["sample_ids"]]
    keys = torch.from_numpy(sample_keys(names)).to(device)
    return Latents(torch.cat(means), torch.cat(logvars), keys, first["scaling_factor"])


def starting_unet(spec: SMCTrainSpec, channels: int) -> Any:
    """The UNet before training, for latents of ``channels`` channels: random, or that of ``spec.initial``.

    One of another architecture, or for other latents, is a `FacetoryError`.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_key(spec.seed, "smc", "weights") >> 1)
        unet = new_unconditional(spec.architecture, channels)
    if spec.initial is None:
        return unet
    initial = load_unconditional(spec.initial).requires_grad_(True)
    for name, value in _architecture(unet).items():
        if (found := _architecture(initial).get(name)) != value:
            raise FacetoryError(
                f"{spec.id}: the weights of {spec.initial} have {name} {found}, architecture "
                f"{spec.architecture!r} for these latents has {value}. Name an initial model of the same "
                "architecture and autoencoder, or none."
            )
    return initial


def _architecture(unet: Any) -> dict[str, Any]:
    """The configuration that decides a network's function: not the nominal size of its input."""
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in unet.config.items()}
    return {name: v for name, v in plain.items() if not name.startswith("_") and name != "sample_size"}
