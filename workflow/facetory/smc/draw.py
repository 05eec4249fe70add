"""From a plan to the files of its figure: what each figure reads, and who draws it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.pipeline.config import WORKFLOW
from facetory.pipeline.files import read_json
from facetory.pipeline.registry import Plan, PlannedCell, paper_file
from facetory.report.cells import CellTable
from facetory.report.figures import write_figure
from facetory.smc.ablation_figure import ablation
from facetory.smc.cells import table
from facetory.smc.diagrams import fig1
from facetory.smc.figure_inputs import faces_of_edits, read, trace_of
from facetory.smc.genealogy_figure import fig8
from facetory.smc.sampler_spec import READINGS, Sampler
from facetory.smc.samples_figure import fig4
from facetory.smc.spec import SMCTrainSpec
from facetory.smc.strips_figure import strips
from facetory.smc.tradeoff_figure import tradeoff
from facetory.smc.training_figure import course, fig3
from facetory.smc.unet_diagram import fig2

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Drawn = tuple[Figure, list[dict[str, Any]]]


def draw(plan: Plan, root: Path | str, folder: Path | str) -> None:
    """Draw a figure or an ablation of ``root``, a scale's results folder (`report.figures.write_figure`)."""
    measured = table(plan, root)
    write_figure(measured, lambda: drawn(plan, measured, Path(root)), folder)


def drawn(plan: Plan, measured: CellTable, root: Path) -> Drawn:
    """A plan's figure from its measured cells and what lies in ``root``, and the rows of its CSV."""
    return FIGURES.get(plan.name, _ablation)(plan, measured, root)


def manifest_of(cell: PlannedCell, kind: str, root: Path) -> Path:
    """The manifest of a cell's first input in the results folder ``kind`` (``edits``, ``measures``, …)."""
    return next(root / path for path in cell.inputs if path.partition("/")[0] == kind)


def _ran(plan: Plan, measured: CellTable) -> list[PlannedCell]:
    values = {cell.id for cell in measured.cells if cell.value is not None}
    return [cell for cell in plan.cells if cell.id in values]


def _fig1(plan: Plan, measured: CellTable, root: Path) -> Drawn:
    asked = READINGS[plan.reading] | paper_file("smc")["baseline"][plan.reading]
    return fig1(Sampler(**{key: value for key, value in asked.items() if key in Sampler.model_fields}))


def _fig2(plan: Plan, measured: CellTable, root: Path) -> Drawn:
    return fig2(plan.cells[0].budget["architecture"])


def _fig3(plan: Plan, measured: CellTable, root: Path) -> Drawn:
    ran = _ran(plan, measured)
    if not ran:
        return fig3(measured, ())
    manifest = manifest_of(ran[0], "diffusions", root)
    spec = SMCTrainSpec.model_validate(read_json(manifest)["spec"])
    learnt_from = ", ".join([spec.dataset, *spec.also])
    if spec.initial is None:
        return fig3(measured, [course(manifest.parent, learnt_from)])
    released = course(WORKFLOW.parent / spec.initial, f"released model {Path(spec.initial).name}")
    return fig3(measured, [released, course(manifest.parent, f"continued on {learnt_from}")])


def _fig4(plan: Plan, measured: CellTable, root: Path) -> Drawn:
    ran = _ran(plan, measured)
    if not ran:
        return fig4(measured, None)
    found = read(manifest_of(ran[0], "samples", root).with_name("images.safetensors"))
    return fig4(measured, found["images"], found["realism"])


def _strips(plan: Plan, measured: CellTable, root: Path) -> Drawn:
    edits = {
        (cell.row, cell.column): (
            read(manifest_of(cell, "edits", root).with_name("edits.safetensors")),
            read(manifest_of(cell, "measures", root).with_name("measures.safetensors")),
        )
        for cell in _ran(plan, measured)
    }
    return strips(measured, faces_of_edits(measured, edits))


def _fig8(plan: Plan, measured: CellTable, root: Path) -> Drawn:
    ran = {cell.row: cell for cell in _ran(plan, measured)}
    reasons = {cell.row: cell.reason or "" for cell in measured.cells}
    return fig8(
        measured,
        {
            row: trace_of(read(manifest_of(ran[row], "edits", root).with_name("edits.safetensors")))
            if row in ran
            else reasons[row]
            for row in measured.rows
        },
    )


def _ablation(plan: Plan, measured: CellTable, root: Path) -> Drawn:
    return ablation(measured)


FIGURES: dict[str, Callable[[Plan, CellTable, Path], Drawn]] = {
    "smc_fig1": _fig1,
    "smc_fig2": _fig2,
    "smc_fig3": _fig3,
    "smc_fig4": _fig4,
    "smc_fig6": _strips,
    "smc_fig7": _strips,
    "smc_fig8": _fig8,
    "smc_tradeoff": lambda plan, measured, root: tradeoff(measured),
}
