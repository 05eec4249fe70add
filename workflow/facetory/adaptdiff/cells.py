"""AdaptDiff's records turned into cells: a value a seed, their mean, and the seeds' mean interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facetory.adaptdiff.protocol import budget_of, differences_apart
from facetory.metrics.bootstrap import Estimate
from facetory.pipeline.files import read_json
from facetory.pipeline.registry import Plan, PlannedCell, paper_file
from facetory.report.cells import CellTable
from facetory.report.measured import Measured, cell_of, table_of, why_unmade

STUBS = {
    "adaptdiff_table1": ["Method", "w, w_max"],
    "adaptdiff_table2": ["Trained on", "Method"],
    "adaptdiff_table3": ["Trained on", "Method"],
    "adaptdiff_diversity": ["Trained on", "Method"],
    "adaptdiff_leakage": ["Trained on", "Method"],
    "adaptdiff_judges": ["Network"],
    "adaptdiff_ablation_w_max": ["Method", "w, w_max"],
}
BENCHMARKS = 5
Manifests = Mapping[Path, dict[str, Any]]
Slots = Mapping[str, dict[str, str]]


def table(plan: Plan, root: Path | str) -> CellTable:
    """A plan's cells, measured from the records in ``root``, a scale's results folder."""
    read = {Path(root) / path: read_json(Path(root) / path) for path in plan.inputs}
    slots = paper_file(plan.paper)["slots"]
    cells = []
    for cell in plan.cells:
        decimals = 2 if cell.unit == "%" else 3
        found = _found(cell, Path(root), read, slots)
        cells.append(cell_of(cell, plan, found, 0.5 * 10.0**-decimals, decimals))
    examined = any(cell.unit == "%" for cell in plan.cells)
    resampled = "people, or over pairs where a benchmark names nobody" if examined else "people"
    return table_of(plan, STUBS.get(plan.name, ["Method"]), cells, resampled=resampled)


def _found(cell: PlannedCell, root: Path, read: Manifests, slots: Slots) -> Measured | str:
    """A cell's measurement over all seeds, or why there is none."""
    if cell.not_run or cell.kind != "measured":
        return cell.not_run or "never measured"
    manifests = {root / path: read[root / path] for path in cell.inputs}
    if reason := why_unmade(manifests):
        return reason
    values = _values(cell, manifests)
    if isinstance(values, str):
        return values
    budget = budget_of(manifests)
    apart = differences_apart(budget, cell.grid is not None, cell.steps, cell.grid)
    apart += _trained_elsewhere(cell, slots)
    if cell.metric == "mean_accuracy" and (count := len(_examined(manifests))) < BENCHMARKS:
        apart.append(f"mean of {count} benchmarks (paper: {BENCHMARKS})")
    sd = float(np.std([each.value for each in values], ddof=1)) if len(values) > 1 else None
    return Measured(mean_of_seeds(values), budget, apart, sd)


def mean_of_seeds(estimates: Sequence[Estimate]) -> Estimate:
    """The mean value with the mean of the bounds: seeds share their benchmark or identities, so their
    sampling errors go together and do not average out."""
    value, low, high = (float(np.mean([each[i] for each in estimates])) for i in range(3))
    return Estimate(value, low, high, estimates[0].n)


def mean_of_benchmarks(estimates: Sequence[Estimate]) -> Estimate:
    """The same over benchmarks, without an n of its own: CALFW and CPLFW show LFW's people, so the errors are
    not independent."""
    return mean_of_seeds(estimates)._replace(n=0)


def _trained_elsewhere(cell: PlannedCell, slots: Slots) -> list[str]:
    """What a benchmark's recogniser learnt from where that is not the paper's data."""
    own = slots.get(cell.trained_slot or "")
    if own is None or cell.trained_slot == cell.slot or cell.trained_on == own["dataset"]:
        return []
    return [f"trained on {cell.trained_on} (paper: {own['title']})"]


def _values(cell: PlannedCell, manifests: Manifests) -> list[Estimate] | str:
    """What was measured for each seed, or why nothing can be shown."""
    name = cell.metric.partition(" ")[0]
    if name.startswith("leakage"):
        return [_leakage(name, own) for own in _of(manifests, "audits")]
    if name == "mean_accuracy":
        examined = _of(manifests, "verifications")
        by_model: dict[str, list[Estimate]] = {}
        for own in examined:
            by_model.setdefault(str(own["spec"]["model"]), []).append(_metric(own["metrics"]["accuracy"]))
        return [mean_of_benchmarks(own) for own in by_model.values()]
    kind = "verifications" if name in ("accuracy", "tar") else "separations"
    metric = cell.metric.replace(" ", "@")
    measured = [own["metrics"][metric] for own in _of(manifests, kind)]
    lacking = next((own["reason"] for own in measured if "reason" in own), None)
    return lacking or [_metric(own) for own in measured]


def _metric(own: dict[str, Any]) -> Estimate:
    low, high = (own["value"] if own[bound] is None else own[bound] for bound in ("low", "high"))
    return Estimate(own["value"], low, high, own["n"])


def _leakage(name: str, manifest: dict[str, Any]) -> Estimate:
    own = manifest["leakage"]
    value = own[name.partition("_")[2]]
    return Estimate(value, float("nan"), float("nan"), own["n"])


def _examined(manifests: Manifests) -> set[str]:
    """The benchmarks that were examined."""
    return {str(own["spec"]["benchmark"]) for own in _of(manifests, "verifications")}


def _of(manifests: Manifests, kind: str) -> list[dict[str, Any]]:
    return [own for path, own in manifests.items() if path.parent.parent.name == kind]
