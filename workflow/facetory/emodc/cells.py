"""EmoDC's records turned into cells: accuracies in percent with bootstrap intervals over people."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facetory.emodc.decisions import correct, predictions
from facetory.emodc.spec import EmoDCEvalSpec
from facetory.metrics.bootstrap import Estimate, clusters, mean_estimate, mean_recall_estimate
from facetory.metrics.records import Records, read_records
from facetory.pipeline.config import Config
from facetory.pipeline.files import FacetoryError, read_json, sha256_of
from facetory.pipeline.registry import Plan, PlannedCell
from facetory.report.cells import Cell, CellTable, differences, judge

TWO_COLUMNS = ["Method", "Hyperparam."]
STUBS = {
    "emodc_table2": ["c_nn ="],
    "emodc_table3": ["Method"],
    "emodc_ablation_non_negative_prompt": ["c_nn ="],
}
SPLITS = {"sfew": "validation", "affectnet": "validation"}
TRAINING_STEPS = {"rafdb_basic": 30_000, "rafdb_compound": 10_000, "sfew": 2_000}
Evaluation = Records | str
Read = Callable[[str], Evaluation]


class Confusion(NamedTuple):
    """Class names and counts (K, K), summed over seeds; rows are true classes."""

    classes: list[str]
    counts: np.ndarray


def table(plan: Plan, evaluations_root: Path | str) -> CellTable:
    """A plan's cells, measured, with the heading they stand under."""
    return CellTable(
        table=plan.name,
        title=plan.title,
        source=plan.source,
        scale=plan.scale,
        reading=plan.reading,
        stub=STUBS.get(plan.name, TWO_COLUMNS),
        cells=measure(plan, evaluations_root),
    )


def measure(plan: Plan, evaluations_root: Path | str) -> list[Cell]:
    """Every cell of a plan from the records below ``evaluations_root``, in the plan's order.

    Values are percentages, means over the seeds.  A cell whose evaluation was not run, for one seed even,
    is `not_run` with the reason; records that differ from their manifest are a `FacetoryError`.
    """
    read = _reader(evaluations_root)
    planned = {cell.id: cell for cell in plan.cells}
    return [
        _measured(cell, [planned[part] for part in cell.mean_of] or [cell], plan, read) for cell in plan.cells
    ]


def confusions(plan: Plan, evaluations_root: Path | str) -> dict[tuple[str, str], Confusion]:
    """The confusion counts of every cell that ran, by (row, column)."""
    read = _reader(evaluations_root)
    found = {}
    for cell in plan.cells:
        evaluations = _evaluations(cell, read)
        if not isinstance(evaluations, str):
            classes = evaluations[0].classes
            counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
            for records in evaluations:
                np.add.at(counts, (records.labels, predictions(records, cell.timesteps)), 1)
            found[cell.row, cell.column] = Confusion(classes, counts)
    return found


def paper_protocol(slot: str, zero_shot: bool) -> dict[str, Any]:
    """What the paper states of a run on one of its datasets (Sections IV-A to IV-C3), as in `ran`."""
    stated = {
        "backbone": "Stable Diffusion 2.1",
        "px": 512 if zero_shot else 256,
        "split": SPLITS.get(slot, "test"),
    }
    training = {
        "training_steps": TRAINING_STEPS.get(slot),
        "batch_size": 64,
        "learning_rate": 1e-4,
        "weight_decay": 0.01,
        "LoRA_rank": 16,
        "margin": "attached",
    }
    return stated if zero_shot else stated | training


def ran(spec: EmoDCEvalSpec) -> dict[str, Any]:
    """What an evaluation and its training really had, under the names of `paper_protocol`."""
    backbone = "Stable Diffusion 2.1" if spec.backbone.startswith("sd21") else spec.backbone
    had: dict[str, Any] = {"backbone": backbone, "px": spec.px}
    if spec.train:
        had |= {
            "training_steps": spec.train.steps,
            "batch_size": spec.train.batch_size,
            "learning_rate": spec.train.lr,
            "weight_decay": spec.train.weight_decay,
            "LoRA_rank": spec.train.lora_rank,
            **({"margin": "detached"} if spec.train.detach_margin else {}),
        }
    return had


def _measured(cell: PlannedCell, parts: Sequence[PlannedCell], plan: Plan, read: Read) -> Cell:
    evaluations = _evaluations(cell, read)
    estimate, budget, apart, not_run = None, cell.budget, [], None
    if isinstance(evaluations, str):
        not_run = evaluations
    else:
        estimate = _estimate(cell.metric, evaluations, parts)
        budget = ran(EmoDCEvalSpec.model_validate(evaluations[0].spec))
        had = budget if cell.stand_in else {**budget, "split": cell.split}
        apart = [*_grids(parts), *differences(had, paper_protocol(cell.slot or "", not cell.runs))]
    value, low, high = (_percent(x) for x in estimate[:3]) if estimate else (None, None, None)
    verdict = judge(
        value,
        cell.published,
        (low, high),
        not_run=not_run,
        stand_in=f"{cell.dataset} stands in for {cell.slot_title or cell.slot}" if cell.stand_in else None,
        differences=apart,
    )
    return Cell(
        value=value,
        ci_low=low,
        ci_high=high,
        n=estimate.n // len(evaluations) if estimate else None,
        delta=verdict.delta,
        status=verdict.status,
        reason=verdict.reason,
        runs=list(cell.runs),
        seeds=list(cell.seeds),
        command=_command(plan),
        reading=plan.reading,
        budget=budget,
        **cell.model_dump(
            include={"id", "row", "column", "published", "slot", "slot_title", "dataset", "split", "stand_in"}
            | {"metric", "steps", "grid", "timestep"}
        ),
    )


def _estimate(metric: str, evaluations: Sequence[Records], parts: Sequence[PlannedCell]) -> Estimate:
    """The metric over all seeds pooled; a person's samples of all seeds and parts are drawn together."""
    groups = [group for e in evaluations for group in clusters(e.persons, e.sample_ids)]
    if metric == "mean_class_accuracy":
        labels = np.concatenate([e.labels for e in evaluations])
        predicted = np.concatenate([predictions(e, parts[0].timesteps) for e in evaluations])
        return mean_recall_estimate(labels, predicted, len(evaluations[0].classes), groups)
    scores = [np.mean([correct(e, part.timesteps) for part in parts], axis=0) for e in evaluations]
    return mean_estimate(np.concatenate(scores), groups)


def _grids(parts: Sequence[PlannedCell]) -> list[str]:
    """The parts that ran another number of timesteps than the paper's."""
    return [
        text for part in parts for text in differences({"timesteps": part.grid}, {"timesteps": part.steps})
    ]


def _percent(fraction: float) -> float | None:
    return None if math.isnan(fraction) else 100 * fraction


def _command(plan: Plan) -> str:
    usual = Config()
    chosen = {"scale": plan.scale, "reading": plan.reading}
    changed = [f"{key}={value}" for key, value in chosen.items() if value != getattr(usual, key)]
    return " ".join(["snakemake", plan.name, *(["--config", *changed] if changed else [])])


def _reader(root: Path | str) -> Read:
    """Read an evaluation, keeping the last few; a string is the reason why there is none."""
    return lru_cache(maxsize=8)(lambda evaluation: _read(Path(root) / evaluation))


def _read(folder: Path) -> Evaluation:
    manifest = read_json(folder / "manifest.json")
    if manifest["status"] != "evaluated":
        return str(manifest["reason"])
    path = folder / "clean.safetensors"
    records = read_records(path)
    if sha256_of(path) != manifest["outputs"][path.name]:
        raise FacetoryError(
            f"{path}: differs from the hash in its manifest. Delete {folder} and run its target again."
        )
    return records


def _evaluations(cell: PlannedCell, read: Read) -> list[Records] | str:
    """A cell's records, one a seed; or why there are none."""
    if cell.not_run:
        return cell.not_run
    found = [read(evaluation) for evaluation in cell.evaluations]
    for seed, evaluation in zip(cell.seeds, found, strict=True):
        if isinstance(evaluation, str):
            return evaluation if len(found) == 1 else f"seed {seed}: {evaluation}"
    return [evaluation for evaluation in found if not isinstance(evaluation, str)]
