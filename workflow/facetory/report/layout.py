"""The paper's arrangement of a table: row labels in stub columns, one cell a column."""

from __future__ import annotations

from typing import NamedTuple

from facetory.report.cells import Cell, CellTable


class Line(NamedTuple):
    """A printed row: its stub labels ('' repeats the label above) and its cells by column."""

    stub: list[str]
    cells: list[Cell | None]


def lines(table: CellTable) -> list[Line]:
    """The rows in order.  With a two-column stub, ``AMDiT, α = 0.01`` is split at its comma."""
    cells = {(cell.row, cell.column): cell for cell in table.cells}
    printed, above = [], ""
    for row in table.rows:
        stub = [row]
        if len(table.stub) == 2:
            method, _, setting = row.partition(", ")
            stub = ["" if method == above else method, setting or "–"]
            above = method
        printed.append(Line(stub, [cells.get((row, column)) for column in table.columns]))
    return printed


def heading(table: CellTable) -> str:
    """The paper's number for the table and what it shows."""
    return f"{table.source}: {table.title}"


def number(value: float | None) -> str:
    """Two decimals, as the papers print percentages; an en dash where there is none."""
    return "–" if value is None else f"{value:.2f}"


def interval(cell: Cell) -> str:
    """``[low, high]``, or nothing."""
    return "" if cell.ci_low is None else f"[{number(cell.ci_low)}, {number(cell.ci_high)}]"
