"""Averages, differences and ratios, computed again from the printed parts as far as rounding allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from facetory.report.audit.declared import Declared
from facetory.report.audit.expression import Lookup, evaluate
from facetory.report.audit.finding import Finding, Outcome
from facetory.report.audit.numbers import Number

CHECK = "the printed parts give the printed value, within rounding"


class Given(NamedTuple):
    """What the parts allow: least and greatest value, the value of the printed ones, and the parts."""

    low: float
    high: float
    value: float
    parts: list[Number]


class Incomplete(Exception):
    """A part of a formula is not printed."""


def recomputed(numbers: Sequence[Number], about: Declared) -> Iterator[Finding]:
    """A finding for each number that others give."""
    for number in numbers:
        for formula in formulas_of(number, about):
            try:
                given = allowed(formula, number, numbers)
            except Incomplete as missing:
                detail = f"{missing} is not printed"
                yield number.finding(CHECK, "recomputed", "not checkable", detail, [number.id])
                continue
            held = agrees(number.value, number, given)
            digits = number.decimals + 1
            detail = (
                f"{given.value:.{digits}f}, by rounding {given.low:.{digits}f} to {given.high:.{digits}f}"
            )
            evidence = [number.id, *(part.id for part in given.parts)]
            outcome: Outcome = "consistent" if held else "inconsistent"
            yield number.finding(CHECK, "recomputed", outcome, f"computed: {detail}", evidence)


def agrees(value: float, number: Number, given: Given) -> bool:
    """Whether a value at the number's decimals may be the rounding of what the parts allow."""
    slack = number.half * (1 + 1e-6)
    return given.low - slack <= value <= given.high + slack


def formulas_of(number: Number, about: Declared) -> list[str]:
    """The formulas of a number: the mean that its column is, and those declared of it."""
    own = [f"row[{part!r}]" for part in number.request.get("mean_of", ())]
    found = [f"mean({', '.join(own)})"] if own else []
    declared = [f for f in about.formulas if number.table in f.tables and number.column == f.column]
    return [*found, *(formula.of for formula in declared)]


def allowed(formula: str, number: Number, numbers: Sequence[Number]) -> Given:
    """The range of a formula over its parts' unrounded values, at the corners of what their rounding leaves.

    Exact where the formula rises or falls in each part alone, as means, differences and ratios do.
    """
    used: dict[str, Number] = {}
    value = float(evaluate(formula, names_of(number, numbers, used, {})))
    parts = list(used.values())
    corners = [
        float(evaluate(formula, names_of(number, numbers, {}, dict(zip(used, corner, strict=True)))))
        for corner in product(*((part.value - part.half, part.value + part.half) for part in parts))
    ]
    return Given(min(corners), max(corners), value, parts)


def names_of(
    number: Number, numbers: Sequence[Number], used: dict[str, Number], moved: Mapping[str, float]
) -> dict[str, Lookup]:
    """``row["column"]``, ``cell["row", "column"]`` of the same table, and ``metric["name"]``.

    The last is the number that is printed of the same request with another metric.  ``used`` takes what was
    looked up, and ``moved`` has other values by id.
    """

    def read(part: Number | None, name: str) -> float:
        if part is None:
            raise Incomplete(name)
        used[part.id] = part
        return moved.get(part.id, part.value)

    def cell(row: str, column: str) -> float:
        found = (n for n in numbers if (n.table, n.row, n.column) == (number.table, row, column))
        return read(next(found, None), f"{row}, {column}")

    def metric(name: str) -> float:
        wanted = {**dict(number.quantity), "metric": name}
        return read(next((n for n in numbers if dict(n.quantity) == wanted), None), name)

    return {"row": lambda column: cell(number.row, column), "cell": cell, "metric": metric}


def substituted(numbers: Sequence[Number], values: Mapping[str, Any]) -> list[Number]:
    """The numbers with other values, by id."""
    return [n._replace(value=values.get(n.id, n.value)) for n in numbers]
