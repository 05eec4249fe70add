"""SMC's measures turned into cells: means over faces with bootstrap intervals over people."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facetory.metrics.bootstrap import Estimate, clusters, mean_estimate
from facetory.metrics.frechet import frechet, split_frechet
from facetory.pipeline.files import FacetoryError, open_tensors, read_json, read_metadata, sha256_of
from facetory.pipeline.registry import Plan, PlannedCell
from facetory.report.cells import Cell, CellTable, command_of, differences, judge
from facetory.smc.protocol import budget_of, paper_protocol

STUBS = {
    "smc_table1": ["Parameter", "Value"],
    "smc_table2": ["Sampler"],
    "smc_tradeoff": ["Sampler"],
    "smc_reconstruction": ["Faces", "Shown"],
    "smc_fig6": ["Source"],
    "smc_fig7": ["Source"],
}
NAN = float("nan")
MILLIONS_TOLERANCE = 1.0
"""The text says "approximately 113M": 113.68 M are that, cut rather than rounded."""


class Measured(NamedTuple):
    """A cell's estimate, and what it really had."""

    estimate: Estimate
    budget: dict[str, Any]


class Stored(NamedTuple):
    """A safetensors file of a stage: its arrays by name and its metadata."""

    arrays: dict[str, np.ndarray]
    about: dict[str, Any]


def table(plan: Plan, root: Path | str) -> CellTable:
    """A plan's cells, measured from the records in ``root``, a scale's results folder."""
    return CellTable(
        table=plan.name,
        title=plan.title,
        source=plan.source,
        scale=plan.scale,
        reading=plan.reading,
        stub=STUBS.get(plan.name, ["Setting"]),
        cells=[_measured(cell, plan, Path(root)) for cell in plan.cells],
    )


def _measured(cell: PlannedCell, plan: Plan, root: Path) -> Cell:
    found = "never measured" if cell.kind != "measured" else _found(cell, root)
    measured = None if isinstance(found, str) else found
    unit = 100 if cell.unit == "%" else 1
    value, low, high = (_number(unit * x) for x in measured.estimate[:3]) if measured else (None, None, None)
    if measured and value is None:
        found = "no face has a value here (nothing of the kind was scored, or no face is labelled so)"
    verdict = judge(
        value,
        cell.published,
        (low, high),
        not_run=found if isinstance(found, str) else None,
        stand_in=_stand_ins(cell) if cell.metric != "parameters" else None,
        differences=differences(measured.budget, paper_protocol(cell.metric)) if measured else (),
        kind=cell.kind,
        ours=cell.ours,
        **({"tolerance": MILLIONS_TOLERANCE} if cell.unit == "M" else {}),
    )
    return Cell(
        value=value,
        ci_low=low,
        ci_high=high,
        n=measured.estimate.n if measured else None,
        delta=verdict.delta,
        status=verdict.status,
        reason=verdict.reason,
        runs=list(cell.runs),
        seeds=list(cell.seeds),
        command=command_of(plan),
        reading=plan.reading,
        budget=measured.budget if measured else cell.budget,
        **cell.model_dump(
            include={"id", "row", "column", "published", "slot", "slot_title", "dataset", "split"}
            | {"stand_in", "metric", "unit", "trained_on"}
        ),
    )


def _found(cell: PlannedCell, root: Path) -> Measured | str:
    """A cell's measurement over all seeds, or why there is none."""
    if cell.not_run:
        return cell.not_run
    if cell.metric == "parameters":
        return Measured(_parameters(cell), cell.budget)
    manifests = {root / path: read_json(root / path) for path in cell.inputs}
    for path, manifest in manifests.items():
        if manifest["status"] in ("not_run", "failed"):
            return f"{path.parent.name}: {manifest['reason']}"
    name, _, variant = cell.metric.partition(" ")
    if name == "last_loss":
        return _last_loss(list(manifests.values()))
    if name == "samples_realism":
        return _samples_realism(list(manifests))
    if name in ("psnr", "reconstruction_distance"):
        return _reconstruction(name, variant, list(manifests))
    pairs = list(zip(*[iter(manifests)] * 2, strict=True))
    measures = [stored(measure.with_name("measures.safetensors")) for measure, _ in pairs]
    edits = [stored(edit.with_name("edits.safetensors")) for _, edit in pairs]
    return Measured(EDIT_METRICS[f"{name} {variant}".strip()](measures, edits), budget_of(edits[0].about))


@lru_cache(maxsize=64)
def stored(path: Path) -> Stored:
    """A stage's arrays, checked against the hash in its manifest; pictures are left out."""
    expected = read_json(path.with_name("manifest.json"))["outputs"][path.name]
    if sha256_of(path) != expected:
        raise FacetoryError(
            f"{path}: differs from the hash in its manifest. Delete {path.parent} and run its target again."
        )
    with open_tensors(path) as handle:
        arrays = {name: handle.get_tensor(name) for name in handle.keys() if name not in PICTURES}  # noqa: SIM118
    return Stored(arrays, read_metadata(path))


PICTURES = ("sources", "reconstructions", "edited", "snapshots", "images")


def _pooled(name: str) -> Callable[[Sequence[Stored], Sequence[Stored]], Estimate]:
    """The mean of a measure over the faces of all seeds; faces without a value are left out."""

    def estimate(measures: Sequence[Stored], edits: Sequence[Stored]) -> Estimate:
        return _mean(np.concatenate([m.arrays[name] for m in measures]), _groups(measures))

    return estimate


def _mean(values: np.ndarray, groups: Sequence[str], kept: np.ndarray | None = None) -> Estimate:
    kept = np.isfinite(values) & (True if kept is None else kept)
    if not kept.any():
        return Estimate(NAN, NAN, NAN, 0)
    return mean_estimate(values[kept], [group for group, own in zip(groups, kept, strict=True) if own])


def _groups(records: Sequence[Stored]) -> list[str]:
    return [group for r in records for group in clusters(r.about["persons"], r.about["sample_ids"])]


def _flip_rate(measures: Sequence[Stored], edits: Sequence[Stored]) -> Estimate:
    """Of the faces that the judge does not see as the target before, those that it does after."""
    flipped, eligible = (
        np.concatenate([m.arrays[name] for m in measures]).astype(bool) for name in ("flipped", "eligible")
    )
    return _mean(flipped.astype(float), _groups(measures), eligible)


def _judge_score(which: str) -> Callable[[Sequence[Stored], Sequence[Stored]], Estimate]:
    """The judge's probability of each face's target, on its edit or on its reconstruction."""

    def estimate(measures: Sequence[Stored], edits: Sequence[Stored]) -> Estimate:
        parts = []
        for measured, edited in zip(measures, edits, strict=True):
            names = [edited.about["guide_classes"][i] for i in edited.arrays["targets"]]
            columns = [measured.about["judge_classes"].index(name) for name in names]
            parts.append(measured.arrays[f"judge_{which}"][np.arange(len(columns)), columns])
        return _mean(np.concatenate(parts), _groups(measures))

    return estimate


def _distance_between_sets(
    of: Callable[[np.ndarray, np.ndarray], float],
) -> Callable[[Sequence[Stored], Sequence[Stored]], Estimate]:
    """A Fréchet distance of all sources and all edits, with a jackknife interval over people.

    The jackknife leaves one person out at a time (Efron & Tibshirani 1993, chapter 11): the bootstrap's
    repeated faces would shrink the covariances.
    """

    def estimate(measures: Sequence[Stored], edits: Sequence[Stored]) -> Estimate:
        sources, edited = (
            np.concatenate([m.arrays[f"features_{name}"] for m in measures]) for name in ("source", "edited")
        )
        groups = np.array(_groups(measures))
        value, people = of(sources, edited), np.unique(groups)
        if len(people) < MOST_JACKKNIFED // 16 or len(people) > MOST_JACKKNIFED:
            return Estimate(value, NAN, NAN, len(groups))
        without = np.array([of(sources[groups != one], edited[groups != one]) for one in people])
        spread = math.sqrt((len(people) - 1) / len(people) * float(((without - without.mean()) ** 2).sum()))
        return Estimate(value, value - 1.96 * spread, value + 1.96 * spread, len(groups))

    return estimate


MOST_JACKKNIFED = 64


def _trace(name: str, at: Callable[[np.ndarray], np.ndarray]) -> Callable[..., Estimate]:
    """A number of every face's trace (n, S)."""

    def estimate(measures: Sequence[Stored], edits: Sequence[Stored]) -> Estimate:
        return _mean(np.concatenate([at(e.arrays[name].astype(float)) for e in edits]), _groups(edits))

    return estimate


def _seconds(measures: Sequence[Stored], edits: Sequence[Stored]) -> Estimate:
    faces = sum(len(e.about["sample_ids"]) for e in edits)
    return Estimate(sum(e.about["seconds"] for e in edits) / faces, NAN, NAN, faces)


def _cost(measures: Sequence[Stored], edits: Sequence[Stored]) -> Estimate:
    """10¹² multiply-accumulates a face, of the rows that were really computed."""
    faces = sum(len(e.about["sample_ids"]) for e in edits)
    spent = sum(
        e.about["counts"][part] * each
        for e in edits
        for part, each in e.about["multiply_accumulates"].items()
    )
    return Estimate(spent / faces / 1e12, NAN, NAN, faces)


def _mean_of_trace(trace: np.ndarray) -> np.ndarray:
    return trace.mean(1) if trace.shape[1] else np.full(len(trace), NAN)


def _end_of_trace(trace: np.ndarray) -> np.ndarray:
    return trace[:, -1] if trace.shape[1] else np.full(len(trace), NAN)


EDIT_METRICS: dict[str, Callable[[Sequence[Stored], Sequence[Stored]], Estimate]] = {
    "emotion_score": _pooled("guide_target"),
    "judge_score": _judge_score("edited"),
    "judge_score reconstruction": _judge_score("source"),
    "flip_rate": _flip_rate,
    "realism": _pooled("realism"),
    "identity": _pooled("identity"),
    "identity reconstruction": _pooled("identity_reconstruction"),
    "distance": _pooled("distance"),
    "distance reconstruction": _pooled("distance_reconstruction"),
    "frechet": _distance_between_sets(frechet),
    "split_frechet": _distance_between_sets(split_frechet),
    "ess": _trace("ess", _mean_of_trace),
    "unique_ancestors": _trace("unique_roots", _end_of_trace),
    "seconds": _seconds,
    "cost": _cost,
}


def _last_loss(manifests: Sequence[dict[str, Any]]) -> Measured:
    """The mean noise-prediction error at the end of training; it has no interval over faces."""
    losses = [manifest["training"]["last"]["loss"] for manifest in manifests]
    budget = {
        "training_steps": manifests[0]["training"]["steps"],
        "epochs": round(manifests[0]["epochs"], 1),
        "device": manifests[0]["training"]["device_name"],
    }
    return Measured(Estimate(float(np.mean(losses)), NAN, NAN, len(losses)), budget)


def _samples_realism(paths: Sequence[Path]) -> Measured:
    """The fraction of drawn pictures in which MTCNN finds a face."""
    drawn = [stored(path.with_name("images.safetensors")) for path in paths]
    found = np.concatenate([d.arrays["realism"] for d in drawn]) > 0
    spec = drawn[0].about["spec"]
    groups = [f"sample {i}" for i in range(len(found))]
    return Measured(mean_estimate(found.astype(float), groups), {"inference_steps": spec["inference_steps"]})


def _reconstruction(name: str, variant: str, paths: Sequence[Path]) -> Measured:
    """The autoencoder's error over all faces, or over those with or without an attribute."""
    records = stored(paths[0].with_name("records.safetensors"))
    values = records.arrays["psnr" if name == "psnr" else "distance"]
    kept = np.ones(len(values), bool)
    if variant:
        shown, _, attribute = variant.partition(" ")
        names = records.about["attributes"]
        if attribute not in names:
            return Measured(Estimate(NAN, NAN, NAN, 0), {})
        kept = records.arrays["attributes"][:, names.index(attribute)] == (shown == "with")
    budget = {key: records.about["spec"][key] for key in ("backbone", "px")}
    return Measured(_mean(values, _groups([records]), kept), budget)


def _parameters(cell: PlannedCell) -> Estimate:
    from facetory.diffusion.unconditional import parameters_of

    return Estimate(parameters_of(cell.budget["architecture"]) / 1e6, NAN, NAN, 1)


def _stand_ins(cell: PlannedCell) -> str | None:
    if not cell.stand_in:
        return None
    trained = f"; trained on {cell.trained_on}" if cell.trained_on not in (None, cell.dataset) else ""
    return f"{cell.dataset} stands in for {cell.slot_title}{trained}"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
