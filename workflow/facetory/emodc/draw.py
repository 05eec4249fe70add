"""From a plan to the files of its figure: what each figure reads, and who draws it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.data.labels import BASIC
from facetory.emodc.ablation_figures import ablation
from facetory.emodc.cells import confusions, evaluations_of, reader, table
from facetory.emodc.correlation_figure import fig4
from facetory.emodc.decision_figure import KINDS, PICTURES, face_of, fig1, scored
from facetory.emodc.diagrams import fig2, fig3
from facetory.emodc.figures import fig5, fig6
from facetory.emodc.generation_figure import fig7
from facetory.emodc.instability import draw_instability
from facetory.emodc.spec import EmoDCEvalSpec
from facetory.pipeline.files import read_json
from facetory.pipeline.registry import Plan
from facetory.report.cells import CellTable
from facetory.report.figures import write_figure
from facetory.report.notes import footer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Drawn = tuple[Figure, list[dict[str, Any]]]


def draw(plan: Plan, root: Path | str, folder: Path | str) -> None:
    """Draw a figure or an ablation of ``root``, a scale's results folder (`report.figures.write_figure`)."""
    measured = table(plan, root)
    write_figure(measured, lambda: FIGURES.get(plan.name, _ablation)(plan, measured, Path(root)), folder)


def _fig1(plan: Plan, measured: CellTable, root: Path) -> Drawn:
    read = reader(root)
    cells = {(cell.row, cell.column): cell for cell in plan.cells}
    shown = {
        (kind, picture): cells[row, column]
        for kind, row in zip(KINDS, measured.rows, strict=True)
        for picture, column in zip(PICTURES, measured.columns, strict=True)
    }
    found = {key: evaluations_of(cell, read) for key, cell in shown.items()}
    decided = {
        key: own if isinstance(own, str) else scored(own[0], shown[key].timesteps)
        for key, own in found.items()
    }

    def face(sample_id: str, picture: str) -> Any:
        cell, records = shown["diffusion", picture], found["diffusion", picture]
        seed = EmoDCEvalSpec.model_validate(records[0].spec).noise_seed  # type: ignore[union-attr]
        ledger = root / "faces" / str(cell.dataset) / "ledger.csv"
        return face_of(ledger, str(cell.split), sample_id, cell.corruption, seed)

    return fig1(measured, decided, face)


def _fig4(plan: Plan, measured: CellTable, root: Path) -> Drawn:
    read = reader(root)
    models = {cell.row: cell for cell in plan.cells}
    evaluations = {row: evaluations_of(cell, read) for row, cell in models.items()}
    return fig4(measured, evaluations, plan.cells[0].timesteps)


def _fig7(plan: Plan, measured: CellTable, root: Path) -> Drawn:
    from facetory.emodc.generate import read_generated

    manifest = root / plan.cells[0].inputs[0] if plan.cells[0].inputs else None
    if plan.cells[0].not_run or manifest is None or read_json(manifest)["status"] != "generated":
        return fig7(None, (), (), measured)
    return fig7(*_in_order(read_generated(manifest.with_name("images.safetensors"))), measured)


def _in_order(generated: Any) -> tuple[Any, list[str], list[float]]:
    return generated.images, generated.classes, generated.scales


def _instability(plan: Plan, measured: CellTable, root: Path) -> Drawn:
    runs = {
        cell.row: root / "runs" / cell.runs[0] / "progress.jsonl" for cell in plan.cells if not cell.not_run
    }
    reason = next((cell.reason or "" for cell in measured.cells if not runs), "")
    return draw_instability(runs, footer(measured), reason)


def _ablation(plan: Plan, measured: CellTable, root: Path) -> Drawn:
    return ablation(measured)


FIGURES: dict[str, Callable[[Plan, CellTable, Path], Drawn]] = {
    "emodc_fig1": _fig1,
    "emodc_fig2": lambda plan, measured, root: fig2(BASIC),
    "emodc_fig3": lambda plan, measured, root: fig3(BASIC),
    "emodc_fig4": _fig4,
    "emodc_fig5": lambda plan, measured, root: fig5(measured, confusions(plan, root)),
    "emodc_fig6": lambda plan, measured, root: fig6(measured),
    "emodc_fig7": _fig7,
    "emodc_ablation_instability": _instability,
}
