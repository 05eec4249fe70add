"""The racing stage: a trained run on a split, by sequential elimination and on the full grid beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from facetory.diffusion.schedule import alphas_cumprod
from facetory.emodc.classifier import errors_by_class, model
from facetory.emodc.grids import grid
from facetory.emodc.inputs import read_backbone, read_latents, read_text, unet_files
from facetory.emodc.race import Work, measured, watched
from facetory.emodc.race_spec import RaceSpec
from facetory.emodc.race_threshold import Calibration, calibrate, folds, strangers, write_calibration
from facetory.emodc.racing import Measure, race, recorded
from facetory.emodc.remainder import exchangeable, learnt
from facetory.metrics.bootstrap import mean_estimate, wilson
from facetory.pipeline.files import read_json, sha256_of, write_json
from facetory.pipeline.provenance import manifest
from facetory.pipeline.randomness import sample_keys
from facetory.pipeline.sampling import balanced

if TYPE_CHECKING:
    from torch import nn

REPLAYED = tuple(np.arange(1.0, 6.5, 0.5).tolist())


def race_emodc(
    spec: RaceSpec,
    latents: Path | str,
    text: Path | str,
    backbone: Path | str,
    run: Path | str,
    folder: Path | str,
    device: str = "cpu",
) -> None:
    """Race a trained run on a split of cached latents; ``backbone`` is its manifest, or its folder.

    Writes race.json (see `compared`), calibration.safetensors (from all samples, for races on others) and
    manifest.json into ``folder``.  A run that failed does not race: the manifest has status "not_run".
    """
    folder, weights = Path(folder), read_backbone(backbone)
    trained, adapter = read_json(Path(run) / "manifest.json"), Path(run) / "adapter.safetensors"
    ran = trained["status"] == "trained"
    inputs = [latents, text, *unet_files(weights), *([adapter] if ran else [])]
    results = [folder / "race.json", folder / "calibration.safetensors"]
    manifest_path, code = folder / "manifest.json", ["emodc.race_stage"]
    for stale in (*results, manifest_path):
        stale.unlink(missing_ok=True)
    with manifest(
        manifest_path, "emodc race", spec.canonical(), code, inputs, device, spec.noise_seed
    ) as record:
        if not ran:
            record |= {"status": "not_run", "reason": f"its training failed: {trained['reason']}"}
            return
        field = entered(spec, latents, text, model(weights.folder, adapter, device), weights.prediction_type)
        content, calibration = compared(spec, field)
        write_json(results[0], {"dataset": spec.dataset, "split": spec.split} | content)
        write_calibration(results[1], calibration)
        outputs = {path.name: sha256_of(path) for path in results}
        record |= {"status": "raced", "samples": len(field.labels), "outputs": outputs}


class Field(NamedTuple):
    """Who races: n samples with labels, people and folds (n,), and the UNet that measures their errors.

    full: from timesteps to the errors (n, N, K) of all; some: from positions of samples to their `Measure`.
    """

    unet: nn.Module
    labels: np.ndarray
    sample_ids: list[str]
    people: np.ndarray
    fold: np.ndarray
    full: Callable[[np.ndarray], np.ndarray]
    some: Callable[[np.ndarray], Measure]


def entered(
    spec: RaceSpec, latents: Path | str, text: Path | str, unet: nn.Module, prediction_type: str
) -> Field:
    """The samples of a spec, dealt into folds by person, with their UNet."""
    import torch

    torch.set_num_threads(spec.threads)
    split, device = read_latents(latents), next(unet.parameters()).device
    chosen = balanced(split.labels, split.sample_ids, spec.images_per_class)
    ids, persons = ([names[i] for i in chosen] for names in (split.sample_ids, split.persons))
    scaled, keys = torch.from_numpy(split.mean[chosen, 0]).float() * split.scaling_factor, sample_keys(ids)
    tokens = torch.from_numpy(read_text(text, split.classes)[: len(split.classes)]).to(device)
    model_of = (tokens, alphas_cumprod().to(device), prediction_type)
    names = ("noise_seed", "batch_size", "precision")
    options: dict[str, Any] = {name: getattr(spec, name) for name in names}
    timesteps, people = np.array(grid(spec.steps)), strangers(persons, ids)
    return Field(
        unet,
        split.labels[chosen],
        ids,
        people,
        folds(people, spec.folds, spec.noise_seed),
        lambda at: errors_by_class(unet, scaled, keys, at, *model_of, **options),
        lambda samples: measured(unet, scaled[samples], keys[samples], timesteps, *model_of, **options),
    )


def compared(spec: RaceSpec, field: Field) -> tuple[dict[str, Any], Calibration]:
    """race.json's content, and the calibration from all samples.

    The full grid, the race, the races at other thresholds (`curve`) and the evaluation on a few fixed
    timesteps each run the UNet.  Only `replayed` reads complete errors instead: what further thresholds, and
    the classical paired test, would do.  Every fold is judged with what the others calibrated.
    """
    field.full(np.array(grid(1)))  # the first forwards of a process are slow
    with watched(field.unet) as done:
        errors = field.full(np.array(grid(spec.steps)))
        winners, full = _decisions(errors), done()
    with watched(field.unet) as done:
        fixed, few = _decisions(field.full(np.array(grid(spec.fixed_steps)))), done()
    learnt_by_fold, classical_by_fold = (
        [
            calibrate(errors[away], field.people[away], spec.target_agreement, spec.noise_seed, fit)
            for away in (field.fold != fold for fold in range(spec.folds))
        ]
        for fit in (learnt, lambda complete: exchangeable(complete.shape[1]))
    )
    calibrated = [calibration.threshold for calibration in learnt_by_fold]
    predictions, forwards, work = _raced(field, errors.shape, learnt_by_fold, calibrated)
    curve = []
    for z in spec.thresholds:
        there, _, spent = _raced(field, errors.shape, learnt_by_fold, [z] * spec.folds)
        curve.append({"threshold": z} | _judged(there, winners, field) | _spent(spent, full))
    replayed = [
        {"test": test} | _replayed(errors, winners, field, by_fold, z)
        for test, by_fold in (("learnt", learnt_by_fold), ("classical", classical_by_fold))
        for z in (None, *REPLAYED)
    ]
    content = {
        "samples": len(winners),
        "people": len(set(field.people)),
        "timesteps": spec.steps,
        "target_agreement": spec.target_agreement,
        "full": _judged(winners, winners, field) | _spent(full, full),
        "race": _judged(predictions, winners, field) | _spent(work, full),
        "fixed": {"timesteps": spec.fixed_steps} | _judged(fixed, winners, field) | _spent(few, full),
        "curve": curve,
        "replayed": replayed,
        "calibration": [_told(calibration) for calibration in learnt_by_fold],
        "of_each_sample": [
            {
                "sample_id": sample_id,
                "fold": int(field.fold[i]),
                "label": int(field.labels[i]),
                "prediction": int(predictions[i]),
                "full_prediction": int(winners[i]),
                "forwards": int(forwards[i]),
            }
            for i, sample_id in enumerate(field.sample_ids)
        ],
    }
    return content, calibrate(errors, field.people, spec.target_agreement, spec.noise_seed)


def _told(calibration: Calibration) -> dict[str, Any]:
    """A calibration's numbers, without its model."""
    return {name: value for name, value in calibration._asdict().items() if name != "model"}


def _decisions(errors: np.ndarray) -> np.ndarray:
    return errors.mean(axis=1, dtype=np.float64).argmin(axis=1)


def _raced(
    field: Field, shape: tuple[int, ...], by_fold: Sequence[Calibration], thresholds: Sequence[float]
) -> tuple[np.ndarray, np.ndarray, Work]:
    """Predictions and forwards (n,) of every fold's race under what the others calibrated, and the work."""
    predictions, forwards = np.empty(shape[0], np.int64), np.empty(shape[0], np.int64)
    with watched(field.unet) as done:
        for fold, (calibration, z) in enumerate(zip(by_fold, thresholds, strict=True)):
            mine = np.flatnonzero(field.fold == fold)
            outcome = race(field.some(mine), (len(mine), shape[1], shape[2]), calibration.model, z)
            predictions[mine], forwards[mine] = outcome.predictions, outcome.forwards
        return predictions, forwards, done()


def _replayed(
    errors: np.ndarray, winners: np.ndarray, field: Field, by_fold: Sequence[Calibration], z: float | None
) -> dict[str, Any]:
    """What races at threshold z (None: the calibrated ones) do to complete errors."""
    agreed = rows = 0
    for fold, calibration in enumerate(by_fold):
        mine, threshold = errors[field.fold == fold], calibration.threshold if z is None else z
        outcome = race(recorded(mine), mine.shape, calibration.model, threshold)
        agreed += int((outcome.predictions == winners[field.fold == fold]).sum())
        rows += int(outcome.forwards.sum())
    return {"threshold": z, "agreement": agreed / len(errors), "fraction": rows / errors.size}


def _judged(predictions: np.ndarray, winners: np.ndarray, field: Field) -> dict[str, Any]:
    """Agreement with the full grid (Wilson's 95 % interval), and accuracy (bootstrap over people)."""
    agreed, n = int((predictions == winners).sum()), len(winners)
    accuracy = mean_estimate(predictions == field.labels, list(field.people))
    return {
        "agreement": agreed / n,
        "agreement_interval": wilson(agreed, n),
        "disagreements": n - agreed,
        "accuracy": accuracy.value,
        "accuracy_interval": [accuracy.low, accuracy.high],
    }


def _spent(work: Work, full: Work) -> dict[str, Any]:
    """Rows and calls of the UNet and seconds, with their ratios to the full grid's."""
    return work._asdict() | {
        "fraction": work.rows / full.rows,
        "time_ratio": work.seconds / full.seconds,
        "cpu_time_ratio": work.cpu_seconds / full.cpu_seconds,
    }
