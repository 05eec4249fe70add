"""Every ablation but the coupling's: a panel a column, in it a bar a setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facetory.affectdiff.bars import Rows, bars, labelled, note, nothing_ran, published_key, told, wrapped
from facetory.report import drawing
from facetory.report.cells import Cell, CellTable
from facetory.report.drawing import GREY, PALETTE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACROSS = 4
RULE = "Dashed: the first row."
SAME = (
    "A difference of exactly 0, interval and all: both models answer alike. Behind a stop-gradient, the "
    "prior reaches the classifier through shared clipping and random numbers alone."
)


def ablation(measured: CellTable) -> tuple[Figure, Rows]:
    """Horizontal bars of the rows, in a panel for each column that ran, at most four side by side."""
    if empty := nothing_ran(measured):
        return empty
    ran = {cell.column for cell in measured.cells if cell.value is not None}
    columns = [column for column in measured.columns if column in ran]
    across = min(len(columns), ACROSS)
    down = -(-len(columns) // across)
    tall = 0.3 * len(measured.rows) + 0.75
    rule = f"{RULE} {SAME}" if any(map(_no_difference, measured.cells)) else RULE
    figure = drawing.sheet(max(1.9 + 1.9 * across, 5.6), down * tall + 0.3, note(measured, rule))
    figure.get_layout_engine().set(wspace=0.06)  # type: ignore[union-attr, call-arg]
    panels = figure.subplots(down, across, squeeze=False, sharey=True)
    for axes, column in zip(panels.flat, columns, strict=False):
        own = [cell for cell in measured.cells if cell.column == column]
        at = [measured.rows.index(cell.row) for cell in own]
        bars(axes, at, own, 0.66, PALETTE["sky"], vertical=False)
        if own[0].row == measured.rows[0] and own[0].value is not None:
            axes.axvline(own[0].value, color=GREY, linestyle="--", linewidth=0.9, zorder=3)
        axes.set_xlabel(labelled(column, own))
        axes.locator_params(axis="x", nbins=4)
        axes.grid(False, axis="y")
    for axes in list(panels.flat)[len(columns) :]:
        axes.axis("off")
    first = panels[0][0]
    first.set_yticks(range(len(measured.rows)), [wrapped(row, 26) for row in measured.rows])
    first.set_ylim(len(measured.rows) - 0.5, -0.5)
    drawn = [cell for cell in measured.cells if cell.column in columns]
    figure.legend(handles=published_key(drawn), loc="outside upper center")
    return figure, told(drawn)


def _no_difference(cell: Cell) -> bool:
    return " minus" in cell.metric and cell.value == cell.ci_low == cell.ci_high == 0
