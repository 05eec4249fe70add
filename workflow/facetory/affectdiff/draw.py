"""From a plan to the files of its figure: what each figure reads, and who draws it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.affectdiff.ablation_figure import ablation
from facetory.affectdiff.class_figure import fig5
from facetory.affectdiff.comparison_figure import fig3, fig12
from facetory.affectdiff.counterfactual_estimates import Counterfactuals, read_counterfactuals
from facetory.affectdiff.coupling_figure import coupling
from facetory.affectdiff.course import Course, course
from facetory.affectdiff.course_figure import fig6, fig7, fig8
from facetory.affectdiff.curves_figure import fig4, fig10
from facetory.affectdiff.diagrams import fig1
from facetory.affectdiff.efficiency_figure import fig9
from facetory.affectdiff.example_figure import fig15
from facetory.affectdiff.graph_figure import fig2
from facetory.affectdiff.label_figure import fig13
from facetory.affectdiff.modality_figure import fig14
from facetory.affectdiff.robustness_figure import fig11, robustness
from facetory.affectdiff.spec import ModelSpec
from facetory.pipeline.files import read_json
from facetory.pipeline.registry import Plan, PlannedCell, paper_file
from facetory.report.cells import CellTable
from facetory.report.figures import write_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Drawn = tuple[Figure, list[dict[str, Any]]]

EPOCHS = 64
"""Of Fig. 8's axis at least, as in the paper."""


def draw(plan: Plan, root: Path | str, folder: Path | str) -> None:
    """Draw a figure or an ablation of ``root``, a scale's results folder (`report.figures.write_figure`)."""
    from facetory.affectdiff.cells import table

    measured = table(plan, root)
    write_figure(measured, lambda: drawn(plan, measured, Path(root)), folder)


def drawn(plan: Plan, measured: CellTable, root: Path) -> Drawn:
    """A plan's figure from its measured cells and what lies in ``root``, and the rows of its CSV."""
    return FIGURES.get(plan.name, _ablation)(plan, measured, root)


def courses(plan: Plan, root: Path, all_runs: bool = False) -> list[Course]:
    """The courses of what was trained, a row's first run or all of them; named after the row."""
    runs = {run: cell for cell in reversed(plan.cells) for run in _runs(cell, all_runs)}
    order = [run for cell in plan.cells for run in _runs(cell, all_runs)]
    folders = {run: root / "recognizers" / run for run in order}
    return [
        course(folder, runs[run].row)
        for run, folder in folders.items()
        if read_json(folder / "manifest.json")["status"] == "trained"
    ]


def reading_of(plan: Plan) -> dict[str, Any]:
    """The fields of the model and its training that the plan's reading states."""
    return paper_file(plan.paper)["readings"][plan.reading].get("models", {})  # type: ignore[no-any-return]


def _runs(cell: PlannedCell, all_runs: bool) -> tuple[str, ...]:
    if cell.not_run:
        return ()
    return cell.runs if all_runs else cell.runs[:1]


def _first(plan: Plan, root: Path) -> Course | None:
    return next(iter(courses(plan, root)), None)


def _answers(plan: Plan, root: Path) -> list[Counterfactuals]:
    """What the runs answered, without repeats."""
    paths = dict.fromkeys(path for cell in plan.cells if not cell.not_run for path in cell.inputs)
    manifests = [root / path for path in paths if path.partition("/")[0] == "counterfactuals"]
    return [
        read_counterfactuals(path.parent) for path in manifests if read_json(path)["status"] == "answered"
    ]


def _fig1(plan: Plan, measured: CellTable, root: Path) -> Drawn:
    asked = reading_of(plan)
    own = {key: value for key, value in asked.items() if key in ModelSpec.model_fields}
    return fig1(ModelSpec(**own), plan.reading)


def _fig8(plan: Plan, measured: CellTable, root: Path) -> Drawn:
    own = _first(plan, root)
    kind = own.spec.curriculum if own else reading_of(plan).get("curriculum", "paper")
    return fig8(measured, kind, own, EPOCHS if own is None else max(EPOCHS, round(own.epochs[-1])))


def _ablation(plan: Plan, measured: CellTable, root: Path) -> Drawn:
    return ablation(measured)


FIGURES: dict[str, Callable[[Plan, CellTable, Path], Drawn]] = {
    "affectdiff_fig1": _fig1,
    "affectdiff_fig2": lambda plan, measured, root: fig2(measured, _first(plan, root)),
    "affectdiff_fig3": lambda plan, measured, root: fig3(measured),
    "affectdiff_fig4": lambda plan, measured, root: fig4(measured, courses(plan, root)),
    "affectdiff_fig5": lambda plan, measured, root: fig5(measured),
    "affectdiff_fig6": lambda plan, measured, root: fig6(measured, _first(plan, root)),
    "affectdiff_fig7": lambda plan, measured, root: fig7(measured, _first(plan, root)),
    "affectdiff_fig8": _fig8,
    "affectdiff_fig9": lambda plan, measured, root: fig9(measured),
    "affectdiff_fig10": lambda plan, measured, root: fig10(measured, courses(plan, root)),
    "affectdiff_fig11": lambda plan, measured, root: fig11(measured),
    "affectdiff_fig12": lambda plan, measured, root: fig12(measured),
    "affectdiff_fig13": lambda plan, measured, root: fig13(measured, _answers(plan, root)),
    "affectdiff_fig14": lambda plan, measured, root: fig14(measured, _answers(plan, root)),
    "affectdiff_fig15": lambda plan, measured, root: fig15(measured, _answers(plan, root)),
    "affectdiff_fig_robustness": lambda plan, measured, root: robustness(measured),
    "affectdiff_ablation_coupling": lambda plan, measured, root: coupling(
        measured, courses(plan, root, all_runs=True)
    ),
}
