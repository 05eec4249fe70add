"""From a trained run and its evaluation to a model that people can use (`model_folder`), with its card."""

from __future__ import annotations

import json
import math
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facetory.data.catalogue import entries
from facetory.diffusion.reference import weights_of
from facetory.emodc import calibration
from facetory.emodc.decisions import accuracy, mean_class_accuracy, mean_errors
from facetory.emodc.grids import evaluation_timesteps, grid, one_step_timestep
from facetory.emodc.inputs import read_backbone
from facetory.emodc.model_card import card
from facetory.emodc.model_folder import (
    ADAPTER,
    BackboneOf,
    Calibration,
    Data,
    Metric,
    Model,
    Opened,
    Race,
    RaceCalibration,
    write_model,
)
from facetory.emodc.spec import EmoDCTrainSpec
from facetory.faces.recorded import alignment_of
from facetory.metrics.bootstrap import Estimate, clusters
from facetory.metrics.records import Records, read_records
from facetory.pipeline.files import FacetoryError, read_json, read_metadata, write_text
from facetory.pipeline.spec import BackboneSpec
from facetory.pipeline.suggest import validated

USUAL_STEPS = (1, 10, 100)
LEAST_RACE, LEAST_RACERS = 5, 10
"""The fewest timesteps that a race can shorten, and the fewest people to calibrate it on."""
TARGET_AGREEMENT = 0.995
UNET = "unet/diffusion_pytorch_model.safetensors"


class Made(NamedTuple):
    """What a run was made from: its folder, the text file, and manifests of backbone, faces and dataset.

    ``evaluation`` and ``race`` are the folders of its evaluation on all clean images, and of its race, or
    None.
    """

    run: Path
    text: Path
    backbone: Path
    faces: Path
    dataset: Path
    evaluation: Path | None = None
    race: Path | None = None


def beside(run: Path | str, evaluation: Path | None = None, race: Path | None = None) -> Made:
    """What lies beside a run in a folder of results; evaluation and race are looked for if not named."""
    run = Path(run)
    about = read_json(run / "manifest.json")
    spec = validated(EmoDCTrainSpec, about.get("spec"), str(run / "manifest.json"))
    root = run.resolve().parents[1]
    return Made(
        run,
        root / "text" / spec.backbone / f"{spec.dataset}.safetensors",
        root / "backbones" / spec.backbone / "manifest.json",
        root / "faces" / spec.dataset / "manifest.json",
        root / "datasets" / spec.dataset / "manifest.json",
        evaluation or _of_run(spec, root / "evaluations", "evaluated"),
        race or _of_run(spec, root / "races", "raced"),
    )


def _of_run(spec: EmoDCTrainSpec, folder: Path, status: str) -> Path | None:
    """The result in a folder that is the run's on its own dataset, on the most clean images."""
    found = []
    for path in sorted(folder.glob("*/manifest.json")):
        about = read_json(path)
        asked = about.get("spec", {})
        same = asked.get("train") == json.loads(spec.canonical()) and asked["dataset"] == spec.dataset
        whole = all((path.parent / name).is_file() for name in about.get("outputs") or {})
        clean = "clean" in asked.get("corruptions", ["clean"])
        if same and about["status"] == status and clean and whole:
            found.append((asked.get("images_per_class") or math.inf, path.parent))
    return max(found, key=lambda pair: pair[0], default=(0, None))[1]


def opened(
    made: Made, name: str | None = None, licence: str | None = None, stands_in_for: str | None = None
) -> Opened:
    """A run as a model, its files where they lie; ``name`` is by default the run's.

    A run that failed, or an evaluation of another run, is a `FacetoryError`.
    """
    about = read_json(made.run / "manifest.json")
    if about["status"] != "trained":
        raise FacetoryError(f"{made.run}: its training failed: {about['reason']} There is no model to use.")
    spec = validated(EmoDCTrainSpec, about["spec"], str(made.run / "manifest.json"))
    records = _records(made.evaluation, spec) if made.evaluation else None
    text, dataset = read_metadata(made.text), read_json(made.dataset)
    known = entries().get(spec.dataset)
    data = Data(
        dataset=spec.dataset,
        title=dataset.get("title") or (known.title if known else spec.dataset),
        licence=dataset["licence"],
        stands_in_for=stands_in_for,
        train=dataset["counts"]["train"],
        splits=dataset.get("splits") or ("no person in two" if "people" in dataset else "as published"),
        evaluated=records.spec["split"] if records else None,
    )
    raced, how = _raced(made.race, records, spec.loss)
    backbone = _backbone(made.backbone)
    _check_unet(about["inputs"], backbone, made.run)
    model = Model(
        name=name or spec.id,
        classes=tuple(text["classes"]),
        prompts=tuple(text["prompts"]),
        backbone=backbone,
        px=spec.px,
        faces=alignment_of(made.faces),
        loss=spec.loss,
        one_step=one_step_timestep(spec.loss),
        noise_seed=records.spec["noise_seed"] if records else 0,
        precision=records.spec["precision"] if records else "no",
        calibration=_calibration(records, spec.loss),
        training=spec,
        data=data,
        licence=licence or f"data: {data.licence}; backbone: {backbone.licence}",
        race=raced and _race(raced, how),
        metrics=_metrics(records, spec.loss),
        facetory=version("facetory"),
    )
    return Opened(model, made.run / ADAPTER, made.text, made.run, raced)


def export(model: Opened, folder: Path | str) -> None:
    """Write a model's folder; the path of a backbone that is no name of ours follows to the new home."""
    folder = Path(folder)
    about = model.about
    if about.backbone.folder is not None:
        there = (model.home / about.backbone.folder).resolve()
        moved = about.backbone.model_copy(update={"folder": os.path.relpath(there, folder.resolve())})
        about = about.model_copy(update={"backbone": moved})
    write_model(folder, model._replace(about=about), card(about))


def run_card(model: Opened) -> Path:
    """Write the card of a run beside its weights, as README.md, and return its path."""
    path = model.home / "README.md"
    write_text(path, card(model.about))
    return path


def card_of_run(
    run: Path, evaluation: Path | None = None, race: Path | None = None, stands_in_for: str | None = None
) -> Path:
    """Write a run's card from what lies beside it; that of a run that failed gives the reason."""
    about = read_json(run / "manifest.json")
    if about["status"] == "trained":
        return run_card(opened(beside(run, evaluation, race), stands_in_for=stands_in_for))
    path = run / "README.md"
    write_text(path, f"# {run.name}\n\nIts training failed: {about['reason']}\n\nThere is no model to use.\n")
    return path


def _records(evaluation: Path, spec: EmoDCTrainSpec) -> Records:
    about = read_json(evaluation / "manifest.json")
    if about["status"] != "evaluated":
        raise FacetoryError(f"{evaluation}: not evaluated: {about['reason']} Evaluate the run first.")
    records = read_records(evaluation / "clean.safetensors")
    if records.spec["train"] != spec.model_dump(mode="json"):
        raise FacetoryError(
            f"{evaluation}: evaluates another run than {spec.id}. Name this run's evaluation."
        )
    return records


def _backbone(manifest: Path) -> BackboneOf:
    """The backbone by its manifest (then by name), or by its folder (then by path)."""
    folder, prediction_type = read_backbone(manifest)
    if manifest.is_dir():
        return BackboneOf(
            name=manifest.name,
            source=str(manifest),
            folder=str(manifest.resolve()),
            prediction_type=prediction_type,  # type: ignore[arg-type]
            sha256=weights_of(folder),
            licence="not stated",
        )
    spec = BackboneSpec.model_validate(read_json(manifest)["spec"])
    return BackboneOf(
        name=spec.name,
        source=spec.source,
        revision=spec.revision,
        prediction_type=prediction_type,  # type: ignore[arg-type]
        sha256=weights_of(folder),
        licence=spec.licence,
    )


def _check_unet(inputs: dict[str, str], backbone: BackboneOf, run: Path) -> None:
    """Refuse a backbone that is not the one the run was trained on: an adapter fits its own alone."""
    trained_on = {sha256 for path, sha256 in inputs.items() if path.endswith(UNET)}
    if backbone.sha256[UNET] not in trained_on:
        raise FacetoryError(
            f"{run}: was trained on other weights of backbone {backbone.name} than those placed now. Train "
            "it again, or place the weights that its manifest names."
        )


def recorded_steps(records: Records, loss: str) -> list[int]:
    """The numbers of timesteps N whose evaluation the records hold: of 1, 10 and 100, and the largest."""
    held = set(records.timesteps.tolist())
    usual = [n for n in USUAL_STEPS if held.issuperset(evaluation_timesteps(loss, n))]
    largest = max((n for n in range(2, len(held) + 1) if held.issuperset(grid(n))), default=1)
    return sorted({*usual, largest} if largest > 1 else usual)


def _calibration(records: Records | None, loss: str) -> Calibration:
    if records is None:
        return Calibration(beta={}, how="not fitted: the error as a likelihood, β = elements of the latent")
    groups = clusters(records.persons, records.sample_ids)
    beta, log_loss = {}, {}
    for steps in recorded_steps(records, loss):
        errors = mean_errors(records, evaluation_timesteps(loss, steps))[:, None]
        gaps = calibration.gaps(errors, calibration.decided(errors))
        beta[steps] = calibration.fit_beta(gaps, records.labels)
        held_out = float(calibration.held_out_log_loss(gaps, records.labels, groups).mean())
        if math.isfinite(held_out):
            log_loss[steps] = held_out
    return Calibration(
        beta=beta,
        how=f"maximum likelihood on the {records.spec['split']} split of {records.dataset}",
        n=len(records.labels),
        log_loss=log_loss,
        guess=math.log(len(records.classes)),
    )


def _raced(race: Path | None, records: Records | None, loss: str) -> tuple[RaceCalibration | None, str]:
    """A race's calibration and where it is from: the run's race, else the most timesteps recorded.

    None where there are too few people or timesteps.
    """
    from facetory.emodc.race_threshold import calibrate, read_calibration, strangers

    if race:
        spec = read_json(race / "manifest.json")["spec"]
        return read_calibration(race / "calibration.safetensors"), f"a race on the {spec['split']} split"
    if records is None:
        return None, ""
    people = strangers(records.persons, records.sample_ids)
    steps = max(recorded_steps(records, loss), default=0)
    if len(set(people)) < LEAST_RACERS or steps < LEAST_RACE:
        return None, ""
    columns = np.searchsorted(records.timesteps, evaluation_timesteps(loss, steps))
    raced = calibrate(records.errors[:, columns], people, TARGET_AGREEMENT)
    return raced, f"complete errors on the {records.spec['split']} split"


def _race(raced: RaceCalibration, how: str) -> Race:
    steps = len(raced.model.order)
    return Race(steps=steps, threshold=raced.threshold, samples=raced.samples, bound=raced.bound, how=how)


def _metrics(records: Records | None, loss: str) -> tuple[Metric, ...]:
    if records is None:
        return ()
    people = len({*records.persons} - {""}) or None
    found = []
    for steps in recorded_steps(records, loss):
        timesteps = evaluation_timesteps(loss, steps)
        for name, score in (("accuracy", accuracy), ("mean class accuracy", mean_class_accuracy)):
            found.append(_metric(name, steps, score(records, timesteps), people))
    return tuple(found)


def _metric(name: str, steps: int, estimate: Estimate, people: int | None) -> Metric:
    low, high = (None if np.isnan(bound) else bound for bound in (estimate.low, estimate.high))
    rest: dict[str, Any] = {"low": low, "high": high, "n": estimate.n, "people": people}
    return Metric(name=name, timesteps=steps, value=estimate.value, **rest)
