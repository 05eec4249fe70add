"""The evaluation stage: a run and a split of cached latents in, records of errors out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from facetory.diffusion.schedule import alphas_cumprod
from facetory.emodc.classifier import errors_by_class, model
from facetory.emodc.grids import union
from facetory.emodc.inputs import (
    Backbone,
    Latents,
    read_backbone,
    read_latents,
    read_text,
    unet_files,
)
from facetory.emodc.spec import EmoDCEvalSpec
from facetory.metrics.records import Records, write_records
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
from facetory.pipeline.randomness import sample_keys
from facetory.pipeline.sampling import balanced

PAIRS_A_SHARD = 4096
OnBatch = Callable[[int], None]


def evaluate_emodc(
    spec: EmoDCEvalSpec,
    latents: Mapping[str, Path | str],
    text: Path | str,
    backbone: Path | str,
    run: Path | str | None,
    folder: Path | str,
    checkpoints: Path | str | None = None,
    device: str = "cpu",
    slot: str = "",
) -> None:
    """Evaluate a run (its folder; None is the zero-shot model) on one split, clean and corrupted.

    ``latents`` maps each of the spec's corruptions to its file, ``backbone`` is its manifest, or its folder.
    Writes {corruption}.safetensors and manifest.json into ``folder``.  A run that failed is not evaluated:
    the manifest has status "not_run" and the reason.  Shards in ``checkpoints`` (default: shards/ in
    ``folder``), bound to spec, code and inputs, let a killed evaluation go on and end with the same records;
    they are deleted at the end.
    """
    folder, weights = Path(folder), read_backbone(backbone)
    manifest_path = folder / "manifest.json"
    trained = read_json(Path(run) / "manifest.json") if run else {"status": "trained"}
    adapter = Path(run) / "adapter.safetensors" if run and trained["status"] == "trained" else None
    files = [latents[corruption] for corruption in spec.corruptions]
    inputs = [*files, text, *unet_files(weights), *([adapter] if adapter else [])]
    for stale in (manifest_path, *folder.glob("*.safetensors")):
        stale.unlink(missing_ok=True)
    with manifest(
        manifest_path,
        "emodc evaluate",
        spec.canonical(),
        ["emodc.evaluate"],
        inputs,
        device,
        spec.noise_seed,
    ) as record:
        if trained["status"] != "trained":
            record |= {"status": "not_run", "reason": f"its training failed: {trained['reason']}"}
            return
        timesteps = np.array(union(spec.timesteps), dtype=np.int64)
        measure = _measure(spec, timesteps, text, weights, adapter, device)
        shards = Path(checkpoints or folder / "shards") / fingerprint(record)
        record |= {"status": "evaluated", "samples": {}, "outputs": {}}
        for corruption, path in zip(spec.corruptions, files, strict=True):
            samples = _samples(path, corruption, spec.images_per_class)
            errors = in_shards(
                partial(measure, samples),
                len(samples.labels),
                len(timesteps),
                shards / corruption,
                f"{spec.id} {corruption}",
            )
            result = folder / f"{corruption}.safetensors"
            write_records(result, _records(spec, samples, timesteps, errors, slot))
            record["samples"][corruption] = len(errors)
            record["outputs"][result.name] = sha256_of(result)
        shutil.rmtree(shards)


def _samples(path: Path | str, corruption: str, images_per_class: int | None) -> Latents:
    """A corruption's latents, or the balanced part of them; those of another corruption are refused."""
    held = read_metadata(path)["corruption"]
    if held != corruption:
        raise FacetoryError(
            f"{path}: holds latents of corruption {held}, not {corruption}. Encode them again."
        )
    samples = read_latents(path)
    chosen = balanced(samples.labels, samples.sample_ids, images_per_class)
    return samples._replace(
        mean=samples.mean[chosen],
        logvar=samples.logvar[chosen],
        labels=samples.labels[chosen],
        sample_ids=[samples.sample_ids[i] for i in chosen],
        persons=[samples.persons[i] for i in chosen],
    )


def _records(
    spec: EmoDCEvalSpec, samples: Latents, timesteps: np.ndarray, errors: np.ndarray, slot: str
) -> Records:
    classes = len(samples.classes)
    return Records(
        errors[..., :classes],
        timesteps,
        samples.labels,
        samples.sample_ids,
        samples.persons,
        samples.classes,
        slot,
        spec.dataset,
        spec.model_dump(mode="json"),
        errors[..., classes:] if spec.extra_prompts else None,
    )


def _measure(
    spec: EmoDCEvalSpec,
    timesteps: np.ndarray,
    text: Path | str,
    backbone: Backbone,
    adapter: Path | None,
    device: str,
) -> Callable[[Latents, slice, OnBatch], np.ndarray]:
    """A function from samples and a slice of them to their errors (n, T, K), or (n, T, K + 2)."""
    import torch

    torch.set_num_threads(spec.threads)
    alpha_bars = alphas_cumprod().to(device)
    unet = model(backbone.folder, adapter, device)

    def measure(samples: Latents, chosen: slice, on_batch: OnBatch) -> np.ndarray:
        tokens = read_text(text, samples.classes)
        asked = tokens if spec.extra_prompts else tokens[: len(samples.classes)]
        return errors_by_class(
            unet,
            torch.from_numpy(samples.mean[chosen, 0]).float() * samples.scaling_factor,
            sample_keys(samples.sample_ids[chosen]),
            timesteps,
            torch.from_numpy(asked).to(device),
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
