"""Tables measured again from the records, and compared with those that were made."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple

from facetory.pipeline.files import FacetoryError
from facetory.pipeline.registry import Plan
from facetory.report.address import address_of
from facetory.report.cells import Cell, CellTable, read_cells, write_cells
from facetory.report.made import ENDING, FOLDERS
from facetory.report.tables import write_table

Measure = Callable[[Plan, Path], CellTable]
"""A wing's ``cells.table``."""
Outcome = Literal["equal", "rounded", "differs", "not rebuilt", "not made"]
ENDINGS = {"tables": (ENDING, ".csv", ".tex", ".html"), "figures": (ENDING,)}
DIGITS = 1e-9
"""Relative difference that another processor's or library's arithmetic makes of equal records."""


class Rebuilt(NamedTuple):
    """What came of one table or figure: how many of its files and cells match, and what does not."""

    name: str
    outcome: Outcome
    files: int = 0
    cells: int = 0
    problems: tuple[str, ...] = ()


def rebuild(plan: Plan, root: Path, records: Path, measure: Measure) -> Rebuilt:
    """Measure a plan's cells from the ``records`` folder and compare with the files made in ``root``.

    A table's four files must be equal byte for byte; of a figure its cells must be: drawing it takes what
    they are not measured from.  Where the stored cells differ, if only in the last digits (`DIGITS`), the
    texts must be those that they give.
    """
    stored = {folder: root / folder / plan.name for folder in FOLDERS if _any(root / folder, plan.name)}
    if not stored:
        return Rebuilt(plan.name, "not made")
    try:
        measured = measure(plan, records)
    except FacetoryError as error:
        problem = f"{plan.name}: {error}".replace(str(records), str(root))
        return Rebuilt(plan.name, "not rebuilt", problems=(problem,))
    problems: list[str] = []
    rounded, files = False, 0
    with TemporaryDirectory() as scratch:
        for folder, stem in stored.items():
            found = _compared(stem, Path(scratch) / folder, measured)
            problems += found.problems
            rounded |= found.outcome == "rounded"
            files += found.files
    outcome: Outcome = "differs" if problems else "rounded" if rounded else "equal"
    return Rebuilt(plan.name, outcome, files, len(measured.cells), tuple(problems))


def first_difference(stored: CellTable, measured: CellTable) -> str | None:
    """The first cell and field in which two tables differ beyond `DIGITS`, or None."""
    ours = {cell.id: cell for cell in measured.cells}
    for cell in stored.cells:
        where = address_of(stored.table, cell)
        if cell.id not in ours:
            return f"{where} is not in the plan"
        if field := _field(cell, ours[cell.id]):
            there, here = (getattr(own, field) for own in (cell, ours[cell.id]))
            return f"{where}: {field} is {there}, the records give {here}"
    if [cell.id for cell in stored.cells] != [cell.id for cell in measured.cells]:
        missing = next((c for c in measured.cells if c.id not in {own.id for own in stored.cells}), None)
        return (
            f"{address_of(stored.table, missing)} is missing"
            if missing
            else "its cells stand in another order"
        )
    heads = (own.model_dump(exclude={"cells"}) for own in (stored, measured))
    return None if _same(*heads) else "its title or heading differs"


def _compared(stem: Path, scratch: Path, measured: CellTable) -> Rebuilt:
    """The files of one table or figure in one folder beside those that the records and its own cells give."""
    folder, cells = stem.parent.name, Path(f"{stem}{ENDING}")
    write = _write_cells if folder == "figures" else write_table
    write(measured, scratch / "records")
    texts = [scratch / "records" / stem.name]
    problems, rounded, equal = [], False, 0
    if cells.is_file() and cells.read_bytes() != Path(f"{texts[0]}{ENDING}").read_bytes():
        try:
            stored = read_cells(cells)
        except FacetoryError as error:
            return Rebuilt(stem.name, "differs", problems=(str(error),))
        if stored.table != stem.name:
            return Rebuilt(stem.name, "differs", problems=(f"{cells}: holds the cells of {stored.table}",))
        found = first_difference(stored, measured)
        problems, rounded = [f"{cells}: {found}"] if found else [], not found
        write(stored, scratch / "cells")
        texts.append(scratch / "cells" / stem.name)
    for ending in ENDINGS[folder]:
        file = Path(f"{stem}{ending}")
        if not file.is_file():
            problems.append(f"{file}: missing")
        elif file.read_bytes() in [Path(f"{text}{ending}").read_bytes() for text in texts]:
            equal += 1
        elif ending != ENDING:
            problems.append(f"{file}: differs from its cells")
    return Rebuilt(stem.name, "rounded" if rounded else "equal", equal, 0, tuple(problems))


def _write_cells(table: CellTable, folder: Path) -> None:
    write_cells(folder / f"{table.table}{ENDING}", table)


def _any(folder: Path, name: str) -> bool:
    return any(folder.glob(f"{name}.*"))


def _field(one: Cell, other: Cell) -> str | None:
    return next(
        (name for name in Cell.model_fields if not _same(getattr(one, name), getattr(other, name))), None
    )


def _same(one: Any, other: Any) -> bool:
    """Equal, numbers with a fraction up to `DIGITS`."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=DIGITS, abs_tol=DIGITS)
    return bool(one == other)
