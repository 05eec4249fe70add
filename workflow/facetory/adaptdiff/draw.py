"""From a plan to the files of its figure: what each figure reads, and who draws it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.adaptdiff.ablation_figure import ablation, w_max
from facetory.adaptdiff.figure_inputs import densities, faces, guidance
from facetory.adaptdiff.histogram_figure import histograms
from facetory.adaptdiff.samples_figure import samples
from facetory.adaptdiff.w_figure import fig2
from facetory.pipeline.registry import Plan
from facetory.report.cells import CellTable
from facetory.report.figures import write_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Drawn = tuple[Figure, list[dict[str, Any]]]


def draw(plan: Plan, root: Path | str, folder: Path | str) -> None:
    """Draw a figure or an ablation of ``root``, a scale's results folder (`report.figures.write_figure`)."""
    from facetory.adaptdiff.cells import table

    measured = table(plan, root)
    write_figure(measured, lambda: drawn(plan, measured, Path(root)), folder)


def drawn(plan: Plan, measured: CellTable, root: Path) -> Drawn:
    """A plan's figure from its measured cells and what lies in ``root``, and the rows of its CSV."""
    return FIGURES.get(plan.name, _ablation)(plan, measured, root)


def _histograms(plan: Plan, measured: CellTable, root: Path) -> Drawn:
    return histograms(measured, densities(plan, measured, root))


def _samples(plan: Plan, measured: CellTable, root: Path) -> Drawn:
    return samples(measured, faces(plan, measured, root))


def _ablation(plan: Plan, measured: CellTable, root: Path) -> Drawn:
    return ablation(measured)


FIGURES: dict[str, Callable[[Plan, CellTable, Path], Drawn]] = {
    "adaptdiff_fig1": _histograms,
    "adaptdiff_fig2": lambda plan, measured, root: fig2(),
    "adaptdiff_fig3": _histograms,
    "adaptdiff_fig_samples": _samples,
    "adaptdiff_ablation_w_max": lambda plan, measured, root: w_max(measured, guidance(plan, measured, root)),
}
