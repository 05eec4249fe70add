"""The address of a cell: target, row and column, as ``emodc_table3:"CoDiT":"RAF-DB B"``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol, TypeVar

from facetory.pipeline.files import FacetoryError
from facetory.pipeline.suggest import unknown

ALL = "*"
PARTS = re.compile(r':(?=(?:[^"]*"[^"]*")*[^"]*$)')
"""A colon that stands outside double quotes."""


class Addressed(Protocol):
    """A cell, planned or measured: its id is target/row/column, or target/panel/row/column."""

    @property
    def id(self) -> str: ...
    @property
    def column(self) -> str: ...


Found = TypeVar("Found", bound=Addressed)


class Address(NamedTuple):
    """A target's name, a row's label (``panel/row`` in a figure with panels), a column's; ``*`` is all."""

    table: str
    row: str
    column: str

    def __str__(self) -> str:
        return f'{self.table}:"{self.row}":"{self.column}"'


def parse(text: str) -> Address:
    """Read ``target:"row":"column"``; the quotes, which a shell takes away, are needed only around colons.

    Raises `FacetoryError` when there are not three parts.
    """
    parts = [_unquoted(part) for part in PARTS.split(text.strip())]
    if len(parts) != 3 or not all(parts):
        raise FacetoryError(
            f"{text}: not a cell's address. Give its target, row and column, e.g. "
            'emodc_table3:"CoDiT":"RAF-DB B".'
        )
    return Address(*parts)


def address_of(table: str, cell: Addressed) -> Address:
    """The address of a cell of a table or figure."""
    return Address(table, _row(table, cell), cell.column)


def find(tables: Mapping[str, Iterable[Found]], address: Address) -> list[Found]:
    """The cells at an address, in the paper's order; ``tables`` maps each target's name to its cells.

    Raises `FacetoryError` that names the nearest target, row or column when there is no such cell.
    """
    if address.table not in tables:
        paper = address.table.split("_")[0]
        near = [name for name in tables if name.split("_")[0] == paper]
        raise unknown("table or figure", address.table, near or tables, str(address))
    cells = list(tables[address.table])
    rows = [cell for cell in cells if _asked(address.row, _row(address.table, cell))]
    if not rows:
        raise unknown("row", address.row, {_row(address.table, c) for c in cells}, str(address))
    found = [cell for cell in rows if _asked(address.column, cell.column)]
    if not found:
        raise unknown("column", address.column, {cell.column for cell in rows}, str(address))
    return found


def _asked(label: str, own: str) -> bool:
    """Whether a label is asked for, whatever its spaces: ``c_nn=c_p`` is ``c_nn = c_p``."""
    return label == ALL or label.replace(" ", "") == own.replace(" ", "")


def _row(table: str, cell: Addressed) -> str:
    return cell.id.removeprefix(f"{table}/").removesuffix(f"/{cell.column}")


def _unquoted(part: str) -> str:
    part = part.strip()
    return part[1:-1] if len(part) > 1 and part[0] == part[-1] == '"' else part
