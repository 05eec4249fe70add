"""The paper's arrangement of a table: row labels in stub columns, one cell a column."""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

from facetory.report.cells import Cell, CellTable

SPOKEN = ("s", "ms", "h", "1/s", "M")
"""Units that a column's name tells: seconds per image, GPU hours, millions of parameters."""


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


def spans(table: CellTable) -> list[tuple[str, list[str]]]:
    """Headings over neighbouring columns, each with its columns' own labels.

    ``RAF-DB B, clean`` and ``RAF-DB B, σ_n = 10`` stand under RAF-DB B; without such a common part in every
    column there are no headings above the labels ("" over all).  Where columns differ in unit, a label ends
    with its own: ``flip rate (%)``, unless its name tells it (`SPOKEN`).
    """
    parts = [column.partition(", ") for column in table.columns]
    units = {cell.column: cell.unit for cell in table.cells if cell.unit}
    mixed = len({units.get(column) for column in table.columns}) > 1
    ends = {column: f" ({unit})" for column, unit in units.items() if mixed and unit not in SPOKEN}
    if not all(rest for _, _, rest in parts):
        return [("", [column + ends.get(column, "") for column in table.columns])]
    return [
        (heading, [rest + ends.get(f"{first}, {rest}", "") for first, _, rest in under])
        for heading, under in groupby(parts, key=lambda part: part[0])
    ]


def number(value: float | None, decimals: int = 2) -> str:
    """With as many decimals as the paper prints (more of a small value); an en dash for none."""
    if value is None:
        return "–"
    least = 10.0**-decimals
    return f"{value:.{decimals}f}" if value == 0 or abs(value) >= least else f"{value:.1e}"


def interval(cell: Cell) -> str:
    """``± sd [low, high]``, or what is known of them."""
    sd = f"± {number(cell.sd, cell.decimals)} " if cell.sd is not None else ""
    if cell.ci_low is None:
        return sd.strip()
    return f"{sd}[{number(cell.ci_low, cell.decimals)}, {number(cell.ci_high, cell.decimals)}]"
