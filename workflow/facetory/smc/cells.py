"""SMC's measures turned into cells: means over faces with bootstrap intervals over people."""

from __future__ import annotations

from pathlib import Path

from facetory.pipeline.registry import Plan, PlannedCell
from facetory.report.cells import ROUNDING, CellTable, differences
from facetory.report.measured import Measured, cell_of, manifests_of, table_of, why_unmade
from facetory.smc import model_cells as models
from facetory.smc.estimates import EDIT_METRICS, measured_edits
from facetory.smc.protocol import PAPERS_EDITS, budget_of

STUBS = {
    "smc_table1": ["Parameter", "Value"],
    "smc_table2": ["Sampler"],
    "smc_tradeoff": ["Sampler"],
    "smc_reconstruction": ["Faces", "Shown"],
    "smc_fig6": ["Source"],
    "smc_fig7": ["Source"],
}
TOLERANCES = {"parameters": 1.0}
"""The text says "approximately 113M": 113.68 M are that, cut rather than rounded."""


def table(plan: Plan, root: Path | str) -> CellTable:
    """A plan's cells, measured from the records in ``root``, a scale's results folder."""
    cells = [
        cell_of(cell, plan, _found(cell, Path(root)), TOLERANCES.get(cell.metric, ROUNDING))
        for cell in plan.cells
    ]
    return table_of(plan, STUBS.get(plan.name, ["Setting"]), cells)


def _found(cell: PlannedCell, root: Path) -> Measured | str:
    """A cell's measurement over all seeds, or why there is none."""
    if cell.not_run or cell.kind != "measured":
        return cell.not_run or "never measured"
    if cell.metric == "parameters":
        return models.parameters(cell)
    manifests = manifests_of(cell, root)
    if reason := why_unmade(manifests):
        return reason
    name, _, variant = cell.metric.partition(" ")
    if name == "last_loss":
        return models.last_loss(list(manifests.values()))
    if name == "samples_realism":
        return models.samples_realism(list(manifests))
    if name in ("psnr", "reconstruction_distance"):
        return models.reconstruction(name, variant, list(manifests))
    measures, edits = zip(*measured_edits(manifests), strict=True)
    estimate, budget = EDIT_METRICS[cell.metric](measures, edits), budget_of(edits[0].about)
    return Measured(estimate, budget, differences(budget, PAPERS_EDITS))
