"""From a planned cell and what was measured of it to the cell that is written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from facetory.metrics.bootstrap import Estimate
from facetory.pipeline.config import Config
from facetory.pipeline.files import read_json
from facetory.pipeline.registry import Plan, PlannedCell
from facetory.report.cells import ROUNDING, Cell, CellTable, judge

NO_VALUE = "nothing of the kind happened in this run, or no sample is labelled so"
TOLD = {"id", "row", "column", "published", "slot", "slot_title", "dataset", "split", "stand_in", "metric"}
TOLD |= {"steps", "grid", "timestep", "unit", "corruption", "trained_on"}
"""What a cell takes over from its plan."""


class Measured(NamedTuple):
    """A cell's estimate, what it really had, what differs from the paper's protocol, its sd over seeds."""

    estimate: Estimate
    budget: dict[str, Any]
    apart: list[str]
    sd: float | None = None


def cell_of(
    planned: PlannedCell, plan: Plan, found: Measured | str, tolerance: float = ROUNDING, decimals: int = 2
) -> Cell:
    """The cell with its verdict; ``found`` is what was measured, as a fraction where the unit is %, or why
    nothing was."""
    measured = None if isinstance(found, str) else found
    unit = 100 if planned.unit == "%" else 1
    value, low, high = (_number(unit * x) for x in measured.estimate[:3]) if measured else (None, None, None)
    verdict = judge(
        value,
        planned.published,
        (low, high),
        not_run=NO_VALUE if measured else str(found),
        rehearsal=plan.rehearsal,
        stand_in=stand_ins(planned),
        differences=measured.apart if measured else (),
        kind=planned.kind,
        ours=planned.ours,
        tolerance=tolerance,
    )
    return Cell(
        value=value,
        ci_low=low,
        ci_high=high,
        sd=unit * measured.sd if measured and measured.sd is not None else None,
        n=(measured.estimate.n or None) if measured else None,
        delta=verdict.delta,
        status=verdict.status,
        reason=verdict.reason,
        runs=list(planned.runs),
        seeds=list(planned.seeds),
        command=command_of(plan),
        reading=plan.reading,
        budget=measured.budget if measured else planned.budget,
        decimals=decimals,
        **planned.model_dump(include=TOLD),
    )


def table_of(plan: Plan, stub: list[str], cells: list[Cell], resampled: str = "people") -> CellTable:
    """A plan's cells, measured, under its heading; ``stub`` heads the row labels, ``resampled`` is what the
    bootstrap draws."""
    return CellTable(
        table=plan.name,
        title=plan.title,
        source=plan.source,
        scale=plan.scale,
        reading=plan.reading,
        stub=stub,
        resampled=resampled,
        rehearsal=plan.rehearsal,
        cells=cells,
    )


def stand_ins(cell: PlannedCell) -> str | None:
    """Which datasets stand in for the paper's, or None."""
    if not cell.stand_in:
        return None
    trained = f"; trained on {cell.trained_on}" if cell.trained_on not in (None, cell.dataset) else ""
    return f"{cell.dataset} stands in for {cell.slot_title or cell.slot}{trained}"


def manifests_of(cell: PlannedCell, root: Path) -> dict[Path, dict[str, Any]]:
    """The manifests that a cell names as its inputs, below the results folder, in their order."""
    return {root / path: read_json(root / path) for path in cell.inputs}


def why_unmade(manifests: Mapping[Path, dict[str, Any]]) -> str | None:
    """Why something that a cell reads was not made, by its manifest; None where all was."""
    unmade = (path for path, manifest in manifests.items() if manifest["status"] in ("not_run", "failed"))
    return next((f"{path.parent.name}: {manifests[path]['reason']}" for path in unmade), None)


def command_of(plan: Plan) -> str:
    """What regenerates a table or figure, as a user types it."""
    usual = Config()
    chosen = {"scale": plan.scale, "reading": plan.reading}
    changed = [f"{key}={value}" for key, value in chosen.items() if value != getattr(usual, key)]
    return " ".join(["snakemake", plan.name, *(["--config", *changed] if changed else [])])


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
