"""Fig. 5: F1 of each class by model; the minority classes are shaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facetory.affectdiff.bars import Rows, bars, labelled, note, nothing_ran, published_key, told
from facetory.report import drawing
from facetory.report.cells import CellTable
from facetory.report.drawing import GREY, LIGHT_GREY, PALETTE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MINORITY = ("Fear", "Disgust", "Surprise")
COLOURS = [PALETTE[c] for c in ("sky", "blue", "green", "orange", "purple")]
OWN = {"No Causal Graph": "#999999", "No VAE": PALETTE["vermillion"], "Full Model": PALETTE["black"]}
RULE = "Shaded: the three minority classes. A measured zero is written, since it has no bar."


def fig5(measured: CellTable) -> tuple[Figure, Rows]:
    """Grouped bars: a group a class (column), in it a bar a model (row)."""
    from matplotlib.patches import Patch

    if empty := nothing_ran(measured):
        return empty
    others = [row for row in measured.rows if row not in OWN]
    colours = dict(zip(others, COLOURS, strict=False)) | OWN
    figure = drawing.sheet(9.2, 3.5, note(measured, RULE))
    axes = figure.subplots()
    width = 0.86 / len(measured.rows)
    for group, name in enumerate(measured.columns):
        if name in MINORITY:
            axes.axvspan(group - 0.5, group + 0.5, color=LIGHT_GREY, zorder=0, linewidth=0)
    for i, row in enumerate(measured.rows):
        own = [cell for cell in measured.cells if cell.row == row]
        shift = (i - (len(measured.rows) - 1) / 2) * width
        at = [measured.columns.index(cell.column) + shift for cell in own]
        bars(axes, at, own, 0.9 * width, colours.get(row, GREY))
    axes.set_xticks(range(len(measured.columns)), measured.columns)
    axes.set_xlim(-0.5, len(measured.columns) - 0.5)
    axes.set_ylim(bottom=0)
    axes.grid(False, axis="x")
    axes.set_xlabel("class")
    axes.set_ylabel(labelled("F1, test", measured.cells))
    handles = [Patch(color=colours.get(row, GREY), label=row) for row in measured.rows]
    figure.legend(
        handles=[*handles, *published_key(measured.cells)],
        loc="outside upper center",
        ncols=5,
        fontsize=8,
    )
    return figure, told(measured.cells)
