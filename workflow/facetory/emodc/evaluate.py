"""The evaluation stage: a run and a split of cached latents in, records of errors out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from facetory.diffusion.schedule import alphas_cumprod
from facetory.emodc.classifier import errors_by_class, model
from facetory.emodc.grids import union
from facetory.emodc.inputs import (
    Backbone,
    Latents,
    fingerprint,
    read_backbone,
    read_latents,
    read_text,
    unet_files,
)
from facetory.emodc.spec import EmoDCEvalSpec
from facetory.metrics.records import Records, write_records
from facetory.pipeline.files import open_tensors, read_json, sha256_of, write_tensors
from facetory.pipeline.provenance import manifest
from facetory.pipeline.randomness import sample_keys

PAIRS_A_SHARD = 4096
OnBatch = Callable[[int], None]


def evaluate_emodc(
    spec: EmoDCEvalSpec,
    latents: Path | str,
    text: Path | str,
    backbone: Path | str,
    run: Path | str | None,
    folder: Path | str,
    checkpoints: Path | str | None = None,
    device: str = "cpu",
    slot: str = "",
) -> None:
    """Evaluate a run (its folder; None is the zero-shot model) on one split.

    ``backbone`` is its manifest, or its folder.  Writes clean.safetensors and manifest.json into
    ``folder``.  A run that failed is not evaluated: the manifest has status "not_run" and the reason.  Shards
    in ``checkpoints`` (default: shards/ in ``folder``), bound to spec, code and inputs, let a killed
    evaluation go on and end with the same records; they are deleted at the end.
    """
    folder, weights = Path(folder), read_backbone(backbone)
    result, manifest_path = folder / "clean.safetensors", folder / "manifest.json"
    trained = read_json(Path(run) / "manifest.json") if run else {"status": "trained"}
    adapter = Path(run) / "adapter.safetensors" if run and trained["status"] == "trained" else None
    inputs = [latents, text, *unet_files(weights), *([adapter] if adapter else [])]
    code = ["emodc.evaluate"]
    for stale in (result, manifest_path):
        stale.unlink(missing_ok=True)
    with manifest(
        manifest_path, "emodc evaluate", spec.canonical(), code, inputs, device, spec.noise_seed
    ) as record:
        if trained["status"] != "trained":
            record |= {"status": "not_run", "reason": f"its training failed: {trained['reason']}"}
            return
        samples = read_latents(latents)
        timesteps = np.array(union(spec.timesteps), dtype=np.int64)
        measure = _measure(spec, samples, timesteps, text, weights, adapter, device)
        shards = Path(checkpoints or folder / "shards") / fingerprint(record)
        errors = in_shards(measure, len(samples.labels), len(timesteps), shards, spec.id)
        records = Records(
            errors,
            timesteps,
            samples.labels,
            samples.sample_ids,
            samples.persons,
            samples.classes,
            slot,
            spec.dataset,
            spec.model_dump(mode="json"),
        )
        write_records(result, records)
        shutil.rmtree(shards)
        record |= {"status": "evaluated", "samples": len(errors), "outputs": {result.name: sha256_of(result)}}


def _measure(
    spec: EmoDCEvalSpec,
    samples: Latents,
    timesteps: np.ndarray,
    text: Path | str,
    backbone: Backbone,
    adapter: Path | None,
    device: str,
) -> Callable[[slice, OnBatch], np.ndarray]:
    """A function from a slice of the samples to their errors (n, T, K)."""
    import torch

    torch.set_num_threads(spec.threads)
    tokens = torch.from_numpy(read_text(text, samples.classes)[: len(samples.classes)]).to(device)
    alpha_bars = alphas_cumprod().to(device)
    unet = model(backbone.folder, adapter, device)

    def measure(chosen: slice, on_batch: OnBatch) -> np.ndarray:
        return errors_by_class(
            unet,
            torch.from_numpy(samples.mean[chosen, 0]).float() * samples.scaling_factor,
            sample_keys(samples.sample_ids[chosen]),
            timesteps,
            tokens,
            alpha_bars,
            backbone.prediction_type,
            noise_seed=spec.noise_seed,
            batch_size=spec.batch_size,
            precision=spec.precision,
            on_batch=on_batch,
        )

    return measure


def in_shards(
    measure: Callable[[slice, OnBatch], np.ndarray], samples: int, timesteps: int, folder: Path, name: str
) -> np.ndarray:
    """All errors (n, T, K), measured shard by shard; shards that ``folder`` already holds are read instead.

    Shards depend on n and T alone, so a resumed evaluation has the batches of an undisturbed one.
    """
    from facetory.training.progress import shown

    size = max(1, PAIRS_A_SHARD // timesteps)
    paths = {start: folder / f"{start:08d}.safetensors" for start in range(0, samples, size)}
    done = timesteps * sum(min(size, samples - start) for start, path in paths.items() if path.exists())
    parts = []
    with shown(name, done, samples * timesteps) as show:
        for start, path in paths.items():
            if not path.exists():
                part = measure(slice(start, start + size), partial(_show_from, show, done))
                write_tensors(path, {"errors": part})
                done += len(part) * timesteps
            with open_tensors(path) as handle:
                parts.append(handle.get_tensor("errors"))
    return np.concatenate(parts)


def _show_from(show: Callable[[int, dict[str, float]], None], done: int, pairs: int) -> None:
    show(done + pairs, {})
