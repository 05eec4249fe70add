"""Training the identity-conditioned generator, or taking its authors' checkpoint over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.adaptdiff.generator import WEIGHTS, new_generator, save_generator
from facetory.adaptdiff.released import authors_generator
from facetory.adaptdiff.spec import GeneratorSpec
from facetory.pipeline.files import FacetoryError, read_json, read_metadata, sha256_of
from facetory.pipeline.fingerprint import fingerprint
from facetory.pipeline.intact import intact
from facetory.pipeline.provenance import manifest

if TYPE_CHECKING:
    from facetory.adaptdiff.unet import IdentityUNet
    from facetory.training.loop import Schedule

EMA_POWER = 0.75
VALIDATIONS = 10


def train_generator(
    spec: GeneratorSpec,
    latents: Path | str | None,
    contexts: Path | str | None,
    folder: Path | str,
    checkpoints: Path | str,
    device: str = "cpu",
    weights: Path | str | None = None,
) -> None:
    """Train a generator: unet.safetensors, progress.jsonl and manifest.json in ``folder``.

    ``latents`` is the training split's file, ``contexts`` contexts.safetensors or the manifest beside it.
    With ``weights``, its authors' checkpoint, nothing is trained and neither is read.  A run that diverges
    is a result: its manifest has status "failed" with the reason, and no weights are left; so is one without
    contexts ("not_run").
    """
    folder = Path(folder)
    manifest_path = folder / "manifest.json"
    if (spec.weights is None) != (weights is None):
        raise FacetoryError(
            "--weights: the spec's `weights` and the file go together: give both, or neither."
        )
    for stale in (folder / WEIGHTS, manifest_path):
        stale.unlink(missing_ok=True)
    inputs = [weights] if weights else _inputs(spec, latents, contexts)
    with manifest(
        manifest_path, "adaptdiff train", spec.canonical(), ["adaptdiff.train"], inputs, device, spec.seed
    ) as record:
        if weights:
            unet, about = authors_generator(spec, weights)
            record["origin"] = {"file": spec.weights, "trained_further": False} | about.pop("origin")
        elif reason := _not_embedded(inputs[1]):
            record |= {"status": "not_run", "reason": reason}
            return
        else:
            from facetory.training.loop import TrainingDiverged

            try:
                unet, about = _trained(spec, inputs[0], inputs[1], folder, Path(checkpoints), record, device)
            except TrainingDiverged as error:
                record |= {"status": "failed", "reason": str(error)}
                return
        path = save_generator(unet, folder, {"spec": spec.model_dump(mode="json")} | about)
        record |= {
            "status": "trained",
            "parameters": sum(weight.numel() for weight in unet.parameters()),
            "outputs": {path.name: sha256_of(path)},
        }


def schedule_of(spec: GeneratorSpec) -> Schedule:
    """The loop's schedule: Adam, and a running mean that follows closely at first."""
    from facetory.training.loop import Schedule

    own = {"restart": spec.restart, "ema": spec.ema, "ema_power": EMA_POWER}
    return Schedule.of(spec, validate_every=max(1, spec.steps // VALIDATIONS), **own)


def _inputs(spec: GeneratorSpec, latents: Path | str | None, contexts: Path | str | None) -> list[Path | str]:
    """Latents, contexts (the manifest of those that could not be made), and the initial model's weights."""
    if latents is None or contexts is None:
        raise FacetoryError(f"{spec.id}: give the latents and the contexts that it learns from.")
    table = Path(contexts).with_name("contexts.safetensors")
    initial = [Path(spec.initial) / WEIGHTS] if spec.initial else []
    return [latents, table if table.exists() else table.with_name("manifest.json"), *initial]


def _not_embedded(contexts: Path | str) -> str | None:
    """Why there are no contexts, or None."""
    about = read_json(Path(contexts).with_name("manifest.json"))
    return None if about["status"] == "embedded" else f"contexts: {about['reason']}"


def _trained(
    spec: GeneratorSpec,
    latents: Path | str,
    contexts: Path | str,
    folder: Path,
    checkpoints: Path,
    record: dict[str, Any],
    device: str,
) -> tuple[IdentityUNet, dict[str, Any]]:
    """The trained UNet and what its file says of it; the outcome goes into the record."""
    import torch

    from facetory.adaptdiff.learnt import read_learnt
    from facetory.adaptdiff.task import IdentityNoisePrediction
    from facetory.diffusion.schedule import alpha_bars, linear_betas
    from facetory.training.loop import train

    key = fingerprint(record)
    learnt = read_learnt(latents, intact(Path(contexts)), device)
    shape = list(learnt.latents.mean.shape[2:])
    unet = new_generator(spec, shape, learnt.contexts.shape[-1]).to(device)
    alpha_bar = alpha_bars(linear_betas(spec.timesteps, spec.beta_start, spec.beta_end))
    task = IdentityNoisePrediction(unet, learnt, alpha_bar, spec.seed)
    record |= {
        "samples": task.size,
        "held_out": len(learnt.people) - task.size,
        "left_out": learnt.left_out,
        "epochs": spec.steps * spec.batch_size / task.size,
    }
    record["training"] = train(
        task,
        schedule_of(spec),
        folder,
        checkpoints / key,
        key=key,
        name=spec.id,
        device=device,
        tensorboard=True,
    )
    unet.eval()
    with torch.no_grad():
        record["validation"] = task.validate(spec.steps)
    about = {name: read_metadata(latents)[name] for name in ("encoder", "scaling_factor")}
    return unet, {"latent": shape} | about
