"""The floor under which no difference counts: how far equal runs lie apart, from the stability tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from facetory.report.cells import Cell, CellTable

SUFFIX = "_stability"
RUNS = ("First run", "Same seed again", "Another seed")
"""The rows of a stability table."""


class Floor(NamedTuple):
    """One score of a table: its values by row, ``again`` between two runs of one seed, ``spread`` of all.

    ``again`` and ``spread`` are in the cells' unit, None where fewer than two values are known.
    """

    paper: str
    table: str
    score: str
    unit: str
    decimals: int
    values: dict[str, float | None]
    again: float | None
    spread: float | None


def floors(tables: Iterable[CellTable]) -> list[Floor]:
    """The floors of the tables whose name ends in `SUFFIX`; ``EmoDC, First run`` belongs to EmoDC's score."""
    found: list[Floor] = []
    for table in tables:
        if not table.table.endswith(SUFFIX):
            continue
        scores: dict[str, dict[str, Cell]] = {}
        for cell in table.cells:
            of, row = _parted(cell.row)
            if row:
                scores.setdefault(f"{of}{cell.column}", {})[row] = cell
        found += [_floor(table, score, rows) for score, rows in scores.items()]
    return found


def _floor(table: CellTable, score: str, rows: dict[str, Cell]) -> Floor:
    values = {row: cell.value for row, cell in rows.items()}
    cell = next(iter(rows.values()))
    repeated = [values.get(run) for run in RUNS[:2]]
    return Floor(
        table.table.partition("_")[0],
        table.table,
        score,
        cell.unit,
        cell.decimals,
        values,
        _spread(repeated),
        _spread(values.values()),
    )


def _parted(row: str) -> tuple[str, str]:
    for kind in RUNS:
        if row.endswith(kind):
            return row.removesuffix(kind), kind
    return row, ""


def _spread(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) - min(known) if len(known) > 1 else None
