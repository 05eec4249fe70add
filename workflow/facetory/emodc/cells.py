"""EmoDC's records turned into cells: accuracies in percent with bootstrap intervals over people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facetory.emodc import correlations
from facetory.emodc.decisions import correct, predictions
from facetory.emodc.elsewhere import ELSEWHERE, elsewhere
from facetory.emodc.protocol import comparator_protocol, comparator_ran, paper_protocol, ran
from facetory.emodc.spec import EmoDCEvalSpec
from facetory.metrics.bootstrap import Estimate, clusters, mean_estimate, mean_recall_estimate
from facetory.metrics.records import Records, part_of, read_records
from facetory.pipeline.files import read_json
from facetory.pipeline.intact import intact
from facetory.pipeline.registry import Plan, PlannedCell
from facetory.recognition.spec import ClassifierEvalSpec
from facetory.report.cells import Cell, CellTable, differences
from facetory.report.measured import Measured, cell_of, table_of

TWO_COLUMNS = ["Method", "Hyperparam."]
STUBS = {
    "emodc_table2": ["c_nn ="],
    "emodc_table3": ["Method"],
    "emodc_table4": ["Methods", "FP"],
    "emodc_table5": ["Methods", "FP"],
    "emodc_table6": ["Methods"],
    "emodc_table7": ["Methods"],
    "emodc_table8": ["Method"],
    "emodc_table9": ["Methods"],
    "emodc_racing": ["Method"],
    "emodc_stability": ["Run"],
    "emodc_fig1": ["Classifier"],
    "emodc_fig4": ["Model"],
    "emodc_fig7": ["Guidance"],
    "emodc_ablation_non_negative_prompt": ["c_nn ="],
}
Evaluation = Records | str
Read = Callable[[str, str], Evaluation]


class Confusion(NamedTuple):
    """Class names and counts (K, K), summed over seeds; rows are true classes."""

    classes: list[str]
    counts: np.ndarray


def table(plan: Plan, root: Path | str) -> CellTable:
    """A plan's cells, measured, with the heading they stand under."""
    return table_of(plan, STUBS.get(plan.name, TWO_COLUMNS), measure(plan, root))


def measure(plan: Plan, root: Path | str) -> list[Cell]:
    """Every cell of a plan from the records in ``root``, a scale's results folder, in the plan's order.

    Values are percentages, means over the seeds.  A cell whose evaluation was not run, for one seed even,
    is `not_run` with the reason; records that differ from their manifest are a `FacetoryError`.
    """
    read = reader(root)
    planned = {cell.id: cell for cell in plan.cells}
    return [
        _measured(cell, [planned[part] for part in cell.mean_of] or [cell], plan, read, root)
        for cell in plan.cells
    ]


def confusions(plan: Plan, root: Path | str) -> dict[tuple[str, str], Confusion]:
    """The confusion counts of every cell that ran, by (row, column)."""
    read = reader(root)
    found = {}
    for cell in plan.cells:
        evaluations = evaluations_of(cell, read)
        if not isinstance(evaluations, str):
            classes = evaluations[0].classes
            counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
            for records in evaluations:
                np.add.at(counts, (records.labels, predictions(records, cell.timesteps)), 1)
            found[cell.row, cell.column] = Confusion(classes, counts)
    return found


def _measured(
    cell: PlannedCell, parts: Sequence[PlannedCell], plan: Plan, read: Read, root: Path | str
) -> Cell:
    if cell.kind != "measured":
        found: Measured | str = "never measured"
    elif cell.not_run or not cell.metric.startswith(ELSEWHERE):
        found = _from_records(cell, parts, read)
    else:
        found = elsewhere(cell, root)
    return cell_of(cell, plan, found)


def _from_records(cell: PlannedCell, parts: Sequence[PlannedCell], read: Read) -> Measured | str:
    """A cell measured from evaluation records, or why it cannot be."""
    evaluations = evaluations_of(cell, read)
    if isinstance(evaluations, str):
        return evaluations
    estimate = _estimate(cell.metric, evaluations, parts)
    budget, stated = _protocols(cell, evaluations[0].spec)
    had = budget if cell.stand_in else {**budget, "split": cell.split}
    apart = [*_grids(parts), *differences(had, stated)]
    return Measured(estimate._replace(n=estimate.n // len(evaluations)), budget, apart)


def _protocols(cell: PlannedCell, spec: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a cell's evaluation had, and what the paper states of it."""
    slot = cell.slot or ""
    trained = cell.trained_slot or slot
    if "network" in (spec["train"] or ()):
        had, stated = (
            comparator_ran(ClassifierEvalSpec.model_validate(spec)),
            comparator_protocol(slot, trained),
        )
    else:
        had = ran(EmoDCEvalSpec.model_validate(spec))
        stated = paper_protocol(slot, trained, not cell.runs)
    if cell.corruption != "clean":
        had["order"] = spec["order"].replace("_", " ")
    return had, stated


def _estimate(metric: str, evaluations: Sequence[Records], parts: Sequence[PlannedCell]) -> Estimate:
    """The metric over all seeds pooled; a person's samples of all seeds and parts are drawn together."""
    name, _, prompt = metric.partition(" ")
    if name in ("slope", "correlation"):
        return getattr(correlations, name)(evaluations, parts[0].timesteps, prompt)
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


def reader(root: Path | str) -> Read:
    """Read an evaluation under a corruption, keeping the last few; a string says why there is none."""
    evaluations = Path(root) / "evaluations"
    return lru_cache(maxsize=8)(lambda evaluation, corruption: _read(evaluations / evaluation, corruption))


def _read(folder: Path, corruption: str) -> Evaluation:
    manifest = read_json(folder / "manifest.json")
    if manifest["status"] != "evaluated":
        return str(manifest["reason"])
    path = folder / f"{corruption}.safetensors"
    records = read_records(path)
    intact(path)
    return records


def evaluations_of(cell: PlannedCell, read: Read) -> list[Records] | str:
    """A cell's records, one a seed; or why there are none."""
    if cell.not_run:
        return cell.not_run
    found = [read(evaluation, cell.corruption) for evaluation in cell.evaluations]
    for seed, evaluation in zip(cell.seeds, found, strict=True):
        if isinstance(evaluation, str):
            return evaluation if len(found) == 1 else f"seed {seed}: {evaluation}"
    return [part_of(records, cell.images_per_class) for records in found if not isinstance(records, str)]
