"""Cells whose print is doubtful: does what is printed there pass the checks that the listed value passes?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from facetory.report.audit.declared import Declared
from facetory.report.audit.finding import Finding, Outcome
from facetory.report.audit.granularity import CHECK as SHARE
from facetory.report.audit.granularity import possible, why_not
from facetory.report.audit.numbers import Number
from facetory.report.audit.recomputed import CHECK as PARTS
from facetory.report.audit.recomputed import Incomplete, agrees, allowed, formulas_of, substituted

CHECK = "the print passes the checks that the listed value passes"


def scanned(numbers: Sequence[Number], paper: Mapping[str, Any], about: Declared) -> Iterator[Finding]:
    """A finding for each mark whose print is not the value listed; a row's prints are tried together."""
    at = {(n.table, n.row, n.column): n for n in numbers}
    for name, layout in paper["tables"].items():
        marks = [(at[name, mark["row"], mark["column"]], mark) for mark in layout.get("scans", ())]
        for number, mark in marks:
            if mark["printed"] == number.value:
                continue
            row = {
                n.id: m["printed"]
                for n, m in marks
                if n.row == number.row and not isinstance(m["printed"], str)
            }
            readable = number.id in row
            wrong = broken(number, substituted(numbers, row), about) if readable else []
            outcome: Outcome = "inconsistent" if wrong else "not checkable"
            listed = f"listed as {number.printed}: {mark['why']}"
            detail = "; ".join([*(f"not so: {check}" for check in wrong), listed])
            shown = number._replace(value=mark["printed"]).printed if readable else mark["printed"]
            found = number.finding(CHECK, "scan", outcome, detail, [number.id])
            yield found.model_copy(update={"value": shown})


def broken(number: Number, numbers: Sequence[Number], about: Declared) -> list[str]:
    """The checks that a number's row does not pass."""
    row = [n for n in numbers if (n.table, n.row) == (number.table, number.row)]
    own = next(n for n in row if n.column == number.column)
    _, counted = why_not(own, about)
    found = [] if counted is None or possible(own, own.value, counted) else [SHARE]
    return [*found, *([PARTS] if any(not _computes(n, numbers, about) for n in row) else [])]


def _computes(number: Number, numbers: Sequence[Number], about: Declared) -> bool:
    try:
        return all(
            agrees(number.value, number, allowed(f, number, numbers)) for f in formulas_of(number, about)
        )
    except Incomplete:
        return True
