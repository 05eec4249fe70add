"""One quantity printed in several places, and different configurations that print the same values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import prod

from facetory.report.audit.declared import Declared
from facetory.report.audit.finding import Finding, Outcome
from facetory.report.audit.granularity import counted_of, counts
from facetory.report.audit.numbers import Number, Quantity

SAME = "what is printed in several places is the same there"
APART = "different configurations give different values"
UNLIKELY = 0.01
"""Expected number of coincidences in a table, below which one is told."""


def repeated(numbers: Sequence[Number]) -> Iterator[Finding]:
    """A finding for each quantity that is printed more than once; other decimals alone are no difference."""
    places: dict[Quantity, list[Number]] = {}
    for number in numbers:
        places.setdefault(number.quantity, []).append(number)
    for own in (own for own in places.values() if len(own) > 1):
        by_value: dict[float, list[Number]] = {}
        for number in own:
            by_value.setdefault(number.value, []).append(number)
        held = all(_same(a, b) for a, b in combinations(own, 2))
        told = [
            f"{alike[0].printed} in {', '.join(dict.fromkeys(n.source for n in alike))}"
            for alike in by_value.values()
        ]
        evidence = [number.id for number in own]
        outcome: Outcome = "consistent" if held else "inconsistent"
        yield own[0].finding(SAME, "repeated", outcome, "; ".join(told), evidence)


def _same(one: Number, other: Number) -> bool:
    coarser = max(one.half, other.half) if one.decimals != other.decimals else 0.0
    return abs(one.value - other.value) <= coarser


def coincidences(numbers: Sequence[Number], about: Declared) -> Iterator[Finding]:
    """A finding for each two rows of a table that share two or more values.

    How many such pairs chance would make: pairs of rows, times for each shared value the reciprocal of how
    many values its column could show between its least and its greatest one.
    """
    tables: dict[str, list[Number]] = {}
    for number in numbers:
        apart = number.request["metric"] if "metric" in number.request else about.defaults.get("metric")
        if "mean_of" not in number.request and apart not in about.exact and number.value != 0:
            tables.setdefault(number.table, []).append(number)
    for table in tables.values():
        rows: dict[str, dict[str, Number]] = {}
        for number in table:
            rows.setdefault(number.row, {})[number.column] = number
        pairs = list(combinations(rows.values(), 2))
        for one, other in pairs:
            shared = [
                column
                for column in one.keys() & other.keys()
                if one[column].value == other[column].value and one[column].quantity != other[column].quantity
            ]
            if len(shared) < 2:
                continue
            alike = sorted((one[column] for column in shared), key=table.index)
            expected = len(pairs) * prod(1 / places(number, table, about) for number in alike)
            values = ", ".join(f"{n.printed} ({n.column})" for n in alike)
            again = other[alike[0].column]
            detail = f"'{alike[0].row}' and '{again.row}' share {values}; by chance {expected:.1g} such pairs"
            evidence = [n.id for n in alike] + [other[n.column].id for n in alike]
            outcome: Outcome = "inconsistent" if expected < UNLIKELY else "consistent"
            yield alike[0].finding(APART, f"coincidence/{again.row}", outcome, detail, evidence)


def places(number: Number, table: Sequence[Number], about: Declared) -> int:
    """How many values a number's column could show between its least and its greatest one."""
    values = [other.value for other in table if other.column == number.column]
    counted = counted_of(number, about)
    step = 10.0**-number.decimals
    if counted is not None and counted.n is not None:
        step = max(step, number.scale / max(counts(counted)))
    return round((max(values) - min(values)) / step) + 1
