"""The cells that a run of a scale is known to give, and whether another run gave the same.

Training on another processor ends with slightly other weights, so a cell matches when its status, n and
dataset are equal and its value lies in the reference's interval, or the two intervals overlap.  A cell
without an interval matches within `TOLERANCE` of the reference's value.  Measured times are left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from facetory.pipeline.files import FacetoryError, read_json, write_text
from facetory.pipeline.suggest import validated
from facetory.report.address import Address, address_of
from facetory.report.cells import Cell, CellTable, Status

TIMES = ("s", "ms", "h", "1/s")
"""The units of what a clock measured."""
TOLERANCE = 0.1


class Known(NamedTuple):
    """A cell of a reference: its value and 95 % interval in the table's unit."""

    table: str
    row: str
    column: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int | None
    status: Status
    dataset: str | None


class Reference(BaseModel):
    """reference.json: the cells of a scale and reading, a line each, with `Known`'s fields in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["facetory reference 1"] = "facetory reference 1"
    scale: str
    reading: str
    cells: list[Known]


class Found(NamedTuple):
    """How many cells match, how many of them bit for bit, and what differs."""

    matching: int
    exact: int
    differing: list[str]


def reference_of(tables: Mapping[str, CellTable]) -> Reference:
    """The reference that some results make, without measured times."""
    first = next(iter(tables.values()))
    cells = [_known(name, cell) for name, table in tables.items() for cell in table.cells]
    return Reference(
        scale=first.scale, reading=first.reading, cells=[own for own in cells if own is not None]
    )


def write_reference(path: Path | str, reference: Reference) -> None:
    """Write a reference atomically, a cell a line, so that a change of one is a change of one line."""
    head = json.dumps(reference.model_dump(exclude={"cells"}), ensure_ascii=False)
    lines = ",\n".join(json.dumps(list(own), ensure_ascii=False, allow_nan=False) for own in reference.cells)
    write_text(path, f'{head[:-1]}, "cells": [\n{lines}\n]}}\n')


def read_reference(path: Path | str) -> Reference:
    """Read a reference; a missing or foreign file is a `FacetoryError` that names it."""
    if not Path(path).is_file():
        raise FacetoryError(
            f"{path}: no such reference. Write one with `facetory reference ROOT --write {path}`."
        )
    return validated(Reference, read_json(path), str(path))


def against(reference: Reference, own: Reference) -> Found:
    """Hold the cells of some results against a reference, by the module's rule."""
    known, here = ({cell[:3]: cell for cell in one.cells} for one in (reference, own))
    differing = [f"{_where(cell)}: not in the reference" for key, cell in here.items() if key not in known]
    matching = exact = 0
    for key, cell in known.items():
        problem = _apart(cell, here[key]) if key in here else "not made here"
        if problem:
            differing.append(f"{_where(cell)}: {problem}")
        else:
            matching += 1
            exact += cell == here[key]
    return Found(matching, exact, differing)


def _known(name: str, cell: Cell) -> Known | None:
    """A cell as a reference keeps it; None for a measured time."""
    if cell.unit in TIMES:
        return None
    numbers = (cell.value, cell.ci_low, cell.ci_high)
    return Known(*address_of(name, cell), *numbers, cell.n, cell.status, cell.dataset)


def _where(cell: Known) -> str:
    return str(Address(*cell[:3]))


def _apart(known: Known, found: Known) -> str | None:
    """What of a cell does not match the reference, or None."""
    for field in ("status", "dataset", "n"):
        there, here = getattr(known, field), getattr(found, field)
        if there != here:
            return f"{field} is {here}, the reference has {there}"
    if known.value is None or found.value is None:
        return (
            None if known.value == found.value else f"value is {found.value}, the reference has {known.value}"
        )
    if known.ci_low is None or known.ci_high is None:
        near = math.isclose(found.value, known.value, rel_tol=TOLERANCE)
        return None if near else f"{found.value:.6g}, the reference has {known.value:.6g} without an interval"
    low, high = (found.value if bound is None else bound for bound in (found.ci_low, found.ci_high))
    inside = known.ci_low <= found.value <= known.ci_high or (low <= known.ci_high and known.ci_low <= high)
    told = f"[{known.ci_low:.6g}, {known.ci_high:.6g}]"
    return None if inside else f"{found.value:.6g}, the reference has {known.value:.6g} {told}"
