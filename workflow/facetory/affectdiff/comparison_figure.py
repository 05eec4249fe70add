"""Fig. 3, balanced against raw accuracy by method, and Fig. 12, emotion against sentiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facetory.affectdiff.bars import Rows, bars, labelled, note, nothing_ran, published_key, told, wrapped
from facetory.affectdiff.spec import EMOTIONS, POLARITIES, SENTIMENTS
from facetory.report import drawing
from facetory.report.cells import CellTable
from facetory.report.drawing import GREY, PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = {
    "Val-BalAcc": "balanced accuracy, validation",
    "Test-Acc": "accuracy, test",
}
CLASSES = {"Emotion": len(EMOTIONS), "Sentiment (7": len(SENTIMENTS), "Sentiment (b": len(POLARITIES)}
TASKS = "Dashed: chance. As in the paper, emotion is of the validation split and sentiment of the test split."


def fig3(measured: CellTable) -> tuple[Figure, Rows]:
    """A panel a column (`PANELS`), a bar a method; the paper's own model is the last row."""
    if empty := nothing_ran(measured):
        return empty
    cells = [cell for cell in measured.cells if cell.column in PANELS]
    figure = drawing.sheet(7.2, 2.9, note(measured, "Dashed: chance, 1/6."))
    line = figure.subplots(1, len(PANELS))
    for axes, (column, name) in zip(line, PANELS.items(), strict=True):
        own = [cell for cell in cells if cell.column == column]
        bars(axes, range(len(own) - 1), own[:-1], 0.66, PALETTE["sky"])
        bars(axes, [len(own) - 1], own[-1:], 0.66, PALETTE["vermillion"])
        if column == "Val-BalAcc":
            _chance(axes, -0.5, len(own) - 0.5, len(EMOTIONS), own[0].unit)
        axes.set_xticks(range(len(own)), [wrapped(cell.row, 9) for cell in own])
        axes.set_xlabel("method")
        axes.set_ylabel(labelled(name, own))
        _from_zero(axes)
    figure.legend(handles=published_key(cells), loc="outside upper center")
    return figure, told(cells)


def fig12(measured: CellTable) -> tuple[Figure, Rows]:
    """Balanced accuracy (the first column) by task, beside the chance of each."""
    if empty := nothing_ran(measured):
        return empty
    cells = [cell for cell in measured.cells if cell.column == measured.columns[0]]
    figure = drawing.sheet(5.6, 2.9, note(measured, TASKS))
    axes = figure.subplots()
    for place, cell in enumerate(cells):
        emotion = cell.row.startswith("Emotion")
        bars(axes, [place], [cell], 0.55, PALETTE["vermillion" if emotion else "sky"])
        classes = next(count for name, count in CLASSES.items() if cell.row.startswith(name))
        _chance(axes, place - 0.4, place + 0.4, classes, cell.unit)
    axes.set_xticks(range(len(cells)), [wrapped(cell.row, 22) for cell in cells])
    axes.set_xlabel("task")
    axes.set_ylabel(labelled("balanced accuracy", cells))
    _from_zero(axes)
    figure.legend(handles=published_key(cells), loc="outside upper center")
    return figure, told(cells)


def _chance(axes: Axes, left: float, right: float, classes: int, unit: str) -> None:
    level = (100 if unit == "%" else 1) / classes
    axes.plot([left, right], [level] * 2, color=GREY, linestyle="--", linewidth=0.9, zorder=3)


def _from_zero(axes: Axes) -> None:
    axes.set_ylim(bottom=0)
    axes.grid(False, axis="x")
