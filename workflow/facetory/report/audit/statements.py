"""What the text says in numbers, against the tables and against itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from facetory.pipeline.files import FacetoryError
from facetory.pipeline.suggest import unknown
from facetory.report.audit.declared import Declared, Statement
from facetory.report.audit.expression import EVERY, Lookup, evaluate, failures
from facetory.report.audit.finding import Finding
from facetory.report.audit.numbers import Number

Labels = str | list[str] | None


def stated(numbers: Sequence[Number], about: Declared) -> Iterator[Finding]:
    """A finding for each declared statement; an expression that names no cell is a `FacetoryError`."""
    for statement in about.statements:
        used: list[str] = []
        names = tables(numbers, used)
        try:
            held = bool(np.all(evaluate(statement.check, names)))
            wrong = [] if held else failures(statement.check, names)
        except FacetoryError as error:
            raise FacetoryError(f"{about.paper}.yaml: statements: {statement.id}: {error}") from error
        yield finding(statement, about.paper, held, wrong, list(dict.fromkeys(used)))


def finding(
    statement: Statement, paper: str, held: bool, wrong: Sequence[str], evidence: Sequence[str]
) -> Finding:
    """The finding on a statement; ``wrong`` are the comparisons that do not hold."""
    shown = "; ".join([*wrong[:4], *([f"and {len(wrong) - 4} more"] if len(wrong) > 4 else [])])
    told = [f"does not hold: {shown}" if wrong else "", statement.note if not held else ""]
    return Finding(
        id=f"statement/{paper}/{statement.id}",
        paper=paper,
        source=statement.source,
        value=statement.text,
        check=statement.check,
        outcome="consistent" if held else "inconsistent",
        detail=". ".join(part for part in told if part),
        evidence=list(evidence),
    )


def tables(numbers: Sequence[Number], used: list[str]) -> dict[str, Lookup]:
    """``table3["row", "column"]``: a printed number, or a masked array of those that the labels select.

    A label may be ``:`` for all, a list, or a pattern with ``*``; a row of a panel is ``slot/row``.  What is
    not printed is masked.  ``used`` takes the ids of what was looked up.
    """
    names: dict[str, list[Number]] = {}
    for number in numbers:
        names.setdefault(number.table, []).append(number)
    return {name: _lookup(name, own, used) for name, own in names.items()}


def _lookup(name: str, own: Sequence[Number], used: list[str]) -> Lookup:
    at: Mapping[tuple[str, str], Number] = {(_row(n), n.column): n for n in own}
    rows, columns = (list(dict.fromkeys(place[i] for place in at)) for i in (0, 1))

    def look(row: Labels, column: Labels) -> Any:
        chosen = [_chosen(row, rows, f"{name}: row"), _chosen(column, columns, f"{name}: column")]
        found = [[at.get((r, c)) for c in chosen[1]] for r in chosen[0]]
        used.extend(n.id for line in found for n in line if n is not None)
        values = np.array([[np.nan if n is None else n.value for n in line] for line in found])
        single = isinstance(row, str) and row in rows, isinstance(column, str) and column in columns
        block = np.ma.masked_invalid(values)[tuple(0 if one else slice(None) for one in single)]
        return float(block) if all(single) else block

    return look


def _row(number: Number) -> str:
    return number.id.split("/", 1)[1].removesuffix(f"/{number.column}")


def _chosen(labels: Labels, known: list[str], where: str) -> list[str]:
    if labels is EVERY:
        return known
    if isinstance(labels, list):
        return [found for label in labels for found in _chosen(label, known, where)]
    if labels in known:
        return [labels]
    pattern = re.compile(re.escape(labels).replace(r"\*", ".*"))
    found = [label for label in known if "*" in labels and pattern.fullmatch(label)]
    if not found:
        raise unknown("label", labels, known, where)
    return found
