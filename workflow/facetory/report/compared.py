"""Two results cell by cell: equal, within each other's intervals, or apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from facetory.report.address import address_of
from facetory.report.cells import Cell, CellTable

Outcome = Literal["equal", "within intervals", "differs", "only in A", "only in B"]
AGREEING: tuple[Outcome, ...] = ("equal", "within intervals")


class Pair(BaseModel):
    """A cell in two results; ``difference`` is B's value − A's, in ``unit``, where both have one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str
    outcome: Outcome
    a: float | None = None
    b: float | None = None
    difference: float | None = None
    unit: str = ""
    why: str = ""


def compare(a: Mapping[str, CellTable], b: Mapping[str, CellTable]) -> list[Pair]:
    """Every cell of two results, in A's order, then what B alone has."""
    ours, theirs = _by_address(a), _by_address(b)
    pairs = [
        _pair(address, cell, theirs[address])
        if address in theirs
        else Pair(address=address, outcome="only in A", a=cell.value, unit=cell.unit)
        for address, cell in ours.items()
    ]
    others = {address: cell for address, cell in theirs.items() if address not in ours}
    return pairs + [
        Pair(address=address, outcome="only in B", b=cell.value, unit=cell.unit)
        for address, cell in others.items()
    ]


def overlap(one: Cell, other: Cell) -> bool:
    """Whether each value lies in the other's interval; False where either has none."""
    return _holds(one, other.value) and _holds(other, one.value)


def _by_address(tables: Mapping[str, CellTable]) -> dict[str, Cell]:
    return {str(address_of(name, cell)): cell for name, table in tables.items() for cell in table.cells}


def _pair(address: str, a: Cell, b: Cell) -> Pair:
    outcome, why = _verdict(a, b)
    difference = None if a.value is None or b.value is None else b.value - a.value
    return Pair(
        address=address, outcome=outcome, a=a.value, b=b.value, difference=difference, unit=a.unit, why=why
    )


def _verdict(a: Cell, b: Cell) -> tuple[Outcome, str]:
    told = ("value", "ci_low", "ci_high", "n", "status", "dataset")
    apart = [name for name in told if getattr(a, name) != getattr(b, name)]
    if not apart:
        return "equal", ""
    why = "; ".join(
        f"{name} {getattr(a, name)} and {getattr(b, name)}"
        for name in ("status", "dataset", "n")
        if name in apart
    )
    return ("within intervals" if overlap(a, b) else "differs"), why


def _holds(cell: Cell, value: float | None) -> bool:
    if value is None or cell.ci_low is None or cell.ci_high is None:
        return False
    return cell.ci_low <= value <= cell.ci_high
