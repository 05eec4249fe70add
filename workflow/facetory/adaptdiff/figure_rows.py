"""What AdaptDiff's figures share: the rows of their CSV, and the sheet that says why nothing ran."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from facetory.report import drawing
from facetory.report.cells import Cell, CellTable
from facetory.report.notes import footer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rows = list[dict[str, Any]]
NUMBERS = ("value", "ci_low", "ci_high", "n", "published")
TOLD = {"row", "column", *NUMBERS, "unit", "status", "reason", "dataset", "trained_on"}


def nothing_ran(measured: CellTable) -> tuple[Figure, Rows] | None:
    """The figure that says why, where no cell has a value; None where one has."""
    if any(cell.value is not None for cell in measured.cells):
        return None
    figure = drawing.sheet(6.4, 2.4, footer(measured))
    drawing.not_run(figure.subplots(), reason(measured.cells), width=70)
    return figure, told(measured.cells)


def told(cells: Iterable[Cell]) -> Rows:
    """The CSV's rows of cells."""
    return [cell.model_dump(include=TOLD) for cell in cells]


def reason(cells: Iterable[Cell]) -> str:
    """Why the first of them that says so was not run."""
    return next((cell.reason for cell in cells if cell.reason), "")


def trained_on(measured: CellTable) -> str:
    """What the generators learnt from, and what that replaces."""
    told = {
        f"{cell.trained_on}{f' in place of {cell.slot_title or cell.slot}' if cell.stand_in else ''}": None
        for cell in measured.cells
        if cell.trained_on == cell.dataset is not None
    }
    return f"generators trained on {' and '.join(told)}" if told else ""
