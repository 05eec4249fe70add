"""Affect-Diff's records turned into cells: exact scores over seeds, with bootstrap intervals over videos."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facetory.affectdiff import estimates
from facetory.affectdiff.counterfactual_estimates import METRICS as COUNTERFACTUAL
from facetory.affectdiff.counterfactual_estimates import read_counterfactuals
from facetory.affectdiff.estimates import METRICS as SCORED
from facetory.affectdiff.protocol import OF_DATA, apart, budget_of, papers
from facetory.affectdiff.run_cells import RUN_METRICS
from facetory.metrics.bootstrap import Estimate
from facetory.pipeline.files import read_json
from facetory.pipeline.registry import Plan, PlannedCell
from facetory.report.cells import CellTable, differences
from facetory.report.measured import Measured, cell_of, table_of, why_unmade

STUBS = {
    "affectdiff_table1": ["Property"],
    "affectdiff_table2": ["Method", "Year"],
    "affectdiff_table3": ["Configuration"],
    "affectdiff_table5": ["Condition"],
    "affectdiff_table7": ["Task"],
    "affectdiff_baselines": ["Baseline", "Size"],
    "affectdiff_stability": ["Run"],
}
DATA = {"raw_segments", "segments", "part", "width", "length", "classes", "majority"}
COUNTS = {"raw_segments", "segments", "part", "width", "length", "classes", "peak_epoch"}

Manifests = Mapping[Path, dict[str, Any]]


def table(plan: Plan, root: Path | str) -> CellTable:
    """A plan's cells, measured from the records in ``root``, a scale's results folder.

    Identical logs of runs with different seeds, in whichever cells, are a `FacetoryError`: they were not
    different runs.
    """
    read = {Path(root) / path: read_json(Path(root) / path) for path in plan.inputs}
    estimates.check_seeds(about for path, about in read.items() if path.parent.parent.name == "recognizers")
    cells = [
        cell_of(cell, plan, _found(cell, Path(root), read), 0.5 * 10.0 ** -_decimals(cell), _decimals(cell))
        for cell in plan.cells
    ]
    return table_of(plan, STUBS.get(plan.name, ["Model"]), cells, resampled="videos")


def _decimals(cell: PlannedCell) -> int:
    """As the paper prints: whole counts, scores to three decimals, times and shares to one."""
    if cell.metric.partition(" ")[0] in COUNTS:
        return 0
    return 1 if cell.metric == "detected" else {"": 3, "M": 2}.get(cell.unit, 1)


def _found(cell: PlannedCell, root: Path, read: Manifests) -> Measured | str:
    """A cell's measurement over all seeds, or why there is none."""
    if cell.not_run or cell.kind != "measured":
        return cell.not_run or "never measured"
    manifests = {root / path: read[root / path] for path in cell.inputs}
    if reason := why_unmade(manifests):
        return reason
    runs = {
        path.parent.name: manifest
        for path, manifest in manifests.items()
        if path.parent.parent.name == "recognizers"
    }
    first = runs[cell.runs[0]]
    budget, estimated = budget_of(first), _estimate(cell, manifests, runs)
    if cell.metric.partition(" ")[0] in DATA:
        budget = {key: value for key, value in budget.items() if key in OF_DATA}
    if isinstance(estimated, str):
        return estimated
    return Measured(estimated, budget, [*differences(budget, papers(first)), *apart(cell.metric, first)])


def _estimate(cell: PlannedCell, manifests: Manifests, runs: Mapping[str, dict[str, Any]]) -> Estimate | str:
    name, _, rest = cell.metric.partition(" ")
    if name in SCORED:
        return _scored(cell, manifests)
    if name in COUNTERFACTUAL:
        folders = [path.parent for path in manifests if path.parent.parent.name == "counterfactuals"]
        return COUNTERFACTUAL[name]([read_counterfactuals(folder) for folder in folders])
    return RUN_METRICS[name](rest, list(manifests), [runs[run] for run in cell.runs])


def _scored(cell: PlannedCell, manifests: Manifests) -> Estimate | str:
    """A score, or with " minus" its difference from the other model's, seed by seed.

    Models that were scored on other segments (other features, another alignment) have no difference.
    """
    records = [
        estimates.stored(path.with_name("records.safetensors"))
        for path in manifests
        if path.parent.parent.name == "scores"
    ]
    metric, minus, _ = cell.metric.partition(" minus")
    if minus:
        first, other = records[:2]
        if first.test_segments != other.test_segments:
            return (
                "the two models were scored on different segments: there is no difference segment by segment"
            )
        return estimates.difference(metric, records[0::2], records[1::2])
    return estimates.estimate(metric, records)
