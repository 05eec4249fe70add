"""Fig. 11, the change of macro-F1 under corruption, and the same for every model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from facetory.affectdiff.bars import (
    Rows,
    bars,
    hollow,
    labelled,
    note,
    nothing_ran,
    published_key,
    told,
    wrapped,
)
from facetory.affectdiff.curves_figure import FULL, line_styles
from facetory.report import drawing
from facetory.report.cells import CellTable
from facetory.report.drawing import PALETTE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHANGE = "Δ clean"
BETTER, WORSE = PALETTE["blue"], PALETTE["vermillion"]


def fig11(measured: CellTable) -> tuple[Figure, Rows]:
    """Bars of `CHANGE` by condition (row): blue to the right where it improves, else vermillion."""
    from matplotlib.patches import Patch

    if empty := nothing_ran(measured):
        return empty
    cells = [cell for cell in measured.cells if cell.column == CHANGE and cell.row.lower() != "clean"]
    figure = drawing.sheet(5.6, 3.3, note(measured))
    axes = figure.subplots()
    for place, cell in enumerate(cells):
        colour = BETTER if cell.value is not None and cell.value >= 0 else WORSE
        bars(axes, [place], [cell], 0.66, colour, vertical=False)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(cells)), [cell.row for cell in cells])
    axes.set_ylim(len(cells) - 0.5, -0.5)
    axes.grid(False, axis="y")
    axes.set_ylabel("condition")
    axes.set_xlabel(labelled("change of macro-F1 from clean, test", cells))
    handles = [Patch(color=BETTER, label="improves"), Patch(color=WORSE, label="degrades")]
    figure.legend(handles=[*handles, *published_key(cells)], loc="outside upper center", ncols=3)
    return figure, told(cells)


def robustness(measured: CellTable) -> tuple[Figure, Rows]:
    """Macro-F1 of each model (row) over the conditions (columns): a line a model, with intervals."""
    if empty := nothing_ran(measured):
        return empty
    figure = drawing.sheet(8.4, 3.7, note(measured))
    axes = figure.subplots()
    count = len(measured.rows)
    styles = zip(measured.rows, line_styles(measured.rows), strict=True)
    for i, (row, (colour, marker, dashes)) in enumerate(styles):
        own = {cell.column: cell for cell in measured.cells if cell.row == row}
        cells = [own[column] for column in measured.columns]
        at = [place + 0.7 * (i - (count - 1) / 2) / count for place in range(len(cells))]
        value = [float("nan") if cell.value is None else cell.value for cell in cells]
        style: dict[str, Any] = {"color": colour, "marker": marker, "linestyle": dashes, "markersize": 5}
        axes.plot(at, value, linewidth=1.5 if row == FULL else 0.7, label=row, **style)
        for place, cell in zip(at, cells, strict=True):
            if cell.ci_low is not None and cell.ci_high is not None:
                axes.plot([place] * 2, [cell.ci_low, cell.ci_high], color=colour, linewidth=0.8)
            if cell.published is not None:
                axes.plot(place, cell.published, **hollow())
    axes.set_xticks(range(len(measured.columns)), [wrapped(column, 10) for column in measured.columns])
    axes.set_xlabel("condition")
    axes.set_ylabel(labelled("macro-F1, test", measured.cells))
    axes.set_ylim(bottom=0)
    axes.grid(False, axis="x")
    handles = [*axes.get_legend_handles_labels()[0], *published_key(measured.cells)]
    figure.legend(handles=handles, loc="outside upper center", ncols=6, fontsize=8)
    return figure, told(measured.cells)
