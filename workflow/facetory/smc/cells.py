"""SMC's measures turned into cells: means over faces with bootstrap intervals over people."""

from __future__ import annotations

import math
from pathlib import Path

from facetory.pipeline.files import read_json
from facetory.pipeline.registry import Plan, PlannedCell
from facetory.report.cells import Cell, CellTable, command_of, differences, judge
from facetory.smc import model_cells as models
from facetory.smc.estimates import EDIT_METRICS, stored
from facetory.smc.model_cells import Measured
from facetory.smc.protocol import budget_of, paper_protocol

STUBS = {
    "smc_table1": ["Parameter", "Value"],
    "smc_table2": ["Sampler"],
    "smc_tradeoff": ["Sampler"],
    "smc_reconstruction": ["Faces", "Shown"],
    "smc_fig6": ["Source"],
    "smc_fig7": ["Source"],
}
MILLIONS_TOLERANCE = 1.0
"""The text says "approximately 113M": 113.68 M are that, cut rather than rounded."""


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
        return models.parameters(cell)
    manifests = {root / path: read_json(root / path) for path in cell.inputs}
    for path, manifest in manifests.items():
        if manifest["status"] in ("not_run", "failed"):
            return f"{path.parent.name}: {manifest['reason']}"
    name, _, variant = cell.metric.partition(" ")
    if name == "last_loss":
        return models.last_loss(list(manifests.values()))
    if name == "samples_realism":
        return models.samples_realism(list(manifests))
    if name in ("psnr", "reconstruction_distance"):
        return models.reconstruction(name, variant, list(manifests))
    pairs = list(zip(*[iter(manifests)] * 2, strict=True))
    measures = [stored(measure.with_name("measures.safetensors")) for measure, _ in pairs]
    edits = [stored(edit.with_name("edits.safetensors")) for _, edit in pairs]
    return Measured(EDIT_METRICS[f"{name} {variant}".strip()](measures, edits), budget_of(edits[0].about))


def _stand_ins(cell: PlannedCell) -> str | None:
    if not cell.stand_in:
        return None
    trained = f"; trained on {cell.trained_on}" if cell.trained_on not in (None, cell.dataset) else ""
    return f"{cell.dataset} stands in for {cell.slot_title}{trained}"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
