"""Can the printed share be one of the counted samples?  With n samples only n + 1 values can be printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from facetory.report.audit.declared import Counted, Declared
from facetory.report.audit.expression import fits
from facetory.report.audit.finding import Finding, Outcome
from facetory.report.audit.numbers import Number, Quantity

CHECK = "some count of the samples rounds to the printed share"


def granularity(numbers: Sequence[Number], about: Declared) -> Iterator[Finding]:
    """A finding for each printed share; what cannot be checked is told once for each source and metric."""
    told: set[tuple[str, str]] = set()
    printed: dict[tuple[Quantity, float], list[Number]] = {}
    for number in numbers:
        if "mean_of" not in number.request:
            printed.setdefault((number.quantity, number.value), []).append(number)
    for number, *again in printed.values():
        why, counted = why_not(number, about)
        if counted is not None:
            yield judged(number, counted, again)
        elif (number.source, why) not in told:
            told.add((number.source, why))
            yield number.finding(CHECK, "granularity", "not checkable", why, [number.id])


def why_not(number: Number, about: Declared) -> tuple[str, Counted | None]:
    """Why a number is not checked, or ("", what it is a share of)."""
    if number.request["kind"] == "quoted":
        return "a literature value, whose own count may be another", None
    counted = counted_of(number, about)
    if counted is None or counted.n is None:
        return counted.why if counted else "no share of a declared number of samples", None
    if min(counts(counted)) >= 10**number.decimals * number.scale:
        return f"of {min(counts(counted))} samples every printed share can be", None
    return "", counted


def counted_of(number: Number, about: Declared) -> Counted | None:
    """The first declared count whose keys the number's request has."""
    request = {**about.defaults, **number.request}
    return next((c for c in about.counted if all(request.get(k) == v for k, v in c.where.items())), None)


def counts(counted: Counted) -> list[int]:
    """The counts that are tried."""
    return [counted.n] if isinstance(counted.n, int) else [*(counted.n or {})]


def possible(number: Number, value: float, counted: Counted) -> bool:
    """Whether a value, printed with the number's decimals, is a share of one of the counts."""
    return any(fits(value, n, number.decimals, number.scale) for n in counts(counted))


def judged(number: Number, counted: Counted, again: Sequence[Number] = ()) -> Finding:
    """The finding on a number that is printed ``again`` elsewhere; the detail names the nearest shares."""
    value, shares = number.value, []
    held = possible(number, value, counted)
    for n in counts(counted):
        below = int(value * n / number.scale + 1e-9)
        near = [below, below + 1] if not held else [round(value * n / number.scale)]
        shares += [
            f"{k}/{n} = {number.scale * k / n:.{number.decimals + 1}f}"
            for k in near
            if not held or fits(value, n, number.decimals, number.scale)
        ]
    named = {} if isinstance(counted.n, int) else counted.n or {}
    of = " or ".join(f"{n} ({named[n]})" if n in named else str(n) for n in counts(counted))
    stated = f"{counted.source}: {of} samples" if counted.source else f"{of} samples"
    outcome: Outcome = "consistent" if held else "inconsistent"
    evidence = [place.id for place in (number, *again)]
    return number.finding(CHECK, "granularity", outcome, f"{', '.join(shares)}; {stated}", evidence)
