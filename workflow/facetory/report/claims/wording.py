"""A verdict in plain English: how many comparisons hold, the one that decides, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from facetory.report.cells import REHEARSAL
from facetory.report.claims.judge import Finding, States, Verdict, bound_of, joined, verdict
from facetory.report.claims.parts import Node, Part, Side
from facetory.report.claims.power import DETECTED, detectable, power

SHOWN = 3
Direction = Literal["same", "opposite", "unclear"]
POINTS: dict[Verdict, Direction] = {"holds": "same", "fails": "opposite"}
SAID: dict[Direction, str] = {
    "same": "These numbers point the way that the paper claims",
    "opposite": "These numbers point the other way",
    "unclear": "The direction of these numbers is unclear",
}


class Told(NamedTuple):
    """The fields of a judgement (`ledger.Judgement`)."""

    verdict: Verdict
    detail: str
    value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    power: float | None = None
    direction: Direction | None = None


def of_printed(node: Node, findings: Mapping[Part, Finding], shown: States) -> Told:
    """What may be said of a claim on the paper's own numbers."""
    found = verdict(node, shown, findings)
    known = _known(findings)
    if not known:
        return Told(found, "The paper prints no number for its cells.")
    decides = _decides(found, known)
    return Told(found, _summary(found, findings, shown), _finite(decides.value))


def of_cells(
    node: Node, findings: Mapping[Part, Finding], shown: States, printed: Mapping[Part, Finding]
) -> Told:
    """What may be said of a claim on measured cells, with the power beside what the paper ``printed``."""
    found = verdict(node, shown, findings)
    known = _known(findings)
    if not known:
        return Told(found, _sentence(next(iter(findings.values())).missing or ""))
    decides = _decides(found, known)
    value, low, high = (_finite(x) for x in (decides.value, decides.low, decides.high))
    detail = [_summary(found, findings, shown), _sources(known)]
    if len(findings) > 1:
        detail.append(_corrected(node, len(findings)))
    apart = list(dict.fromkeys(part for f in known for reason in f.apart for part in reason.split("; ")))
    if apart and any(part.contrast and part.margin > 0 for part in findings):
        detail.append("Here only the signs of differences are judged, not how large they are claimed to be.")
    if apart and found != "not_run":
        direction = POINTS.get(found, "unclear") if REHEARSAL not in apart else "unclear"
        apart.sort(key=lambda reason: "stands in" not in reason)
        told = f"Not comparable with the paper: {'; '.join(apart)}. {SAID[direction]}."
        return Told("not_comparable", " ".join([told, *detail]), value, low, high, None, direction)
    if found != "inconclusive":
        return Told(found, " ".join(detail), value, low, high)
    chance, told = _chance([f for f in known if shown[f.part] is None], printed)
    return Told(found, " ".join([*detail, told]), value, low, high, chance)


def _known(findings: Mapping[Part, Finding]) -> list[Finding]:
    return [finding for finding in findings.values() if not finding.missing]


def _decides(found: Verdict, known: Sequence[Finding]) -> Finding:
    """The comparison furthest from the claim."""
    return min(known, key=lambda f: (f.high if found == "fails" else f.low) - f.part.margin)


def _summary(found: Verdict, findings: Mapping[Part, Finding], shown: States) -> str:
    known = _known(findings)
    held = [f for f in known if shown[f.part]]
    failed = sorted((f for f in known if shown[f.part] is False), key=lambda f: f.value - f.part.margin)
    lacking = [f for f in findings.values() if f.missing]
    if len(findings) == 1:
        return _sentence(_compared(known[0]))
    open_ = len(known) - len(held) - len(failed)
    count = f"{len(held)} of {len(findings)} comparisons hold, {len(failed)} fail"
    if len(held) == len(findings):
        count = f"All {len(held)} comparisons hold"
    if open_:
        count += f", {open_} {'is' if open_ == 1 else 'are'} open"
    if found == "holds" and len(held) < len(findings):
        count += ", which is enough for the claim"
    if failed:
        more = f"; and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
        text = f"{count}: {'; '.join(_compared(f) for f in failed[:SHOWN])}{more}."
    else:
        which = "the furthest from the claim" if open_ else "the closest"
        text = f"{count}; {which}: {_compared(_decides(found, known))}."
    return f"{text} {len(lacking)} cannot be made: {lacking[0].missing}." if lacking else text


def _compared(finding: Finding) -> str:
    part = finding.part
    sides = (_side(part.left, finding.left), _side(part.right, finding.right))
    text = f"{sides[0]} against {sides[1]}, a difference of {_signed(finding.value)}"
    if finding.low != finding.high:
        text += f" ({_interval(finding)})"
    if part.margin > 0:
        text += f", where at least {part.margin:.4g} is claimed"
    return text + (f", where {-part.margin:.4g} is allowed" if part.margin < 0 else "")


def _interval(finding: Finding) -> str:
    if math.isinf(finding.low) or math.isinf(finding.high):
        return "no interval"
    return f"95 % interval {_signed(finding.low)} to {_signed(finding.high)}"


def _side(side: Side, value: float) -> str:
    return f"{side.text} ({value:.4g})".replace("(-", "(−") if side.terms else side.text


def _corrected(node: Node, count: int) -> str:
    """How several comparisons are taken together (`judge`)."""
    if joined(node):
        return f"Each of {count} comparisons is judged at 1 − 0.05/{count} (Bonferroni)."
    return (
        f"Each of {count} comparisons must hold at its own 95 % interval; that one fails is judged at "
        f"1 − 0.05/{count} (Bonferroni)."
    )


def _sources(known: Sequence[Finding]) -> str:
    hows = list(dict.fromkeys(finding.how for finding in known if finding.how))
    return _sentence(f"Intervals: {'; or '.join(hows)}") if hows else ""


def _chance(open_: Sequence[Finding], printed: Mapping[Part, Finding]) -> tuple[float | None, str]:
    """The least power of the open comparisons, or where none is printed, what could have been seen."""
    normal = "(normal approximation from the interval's width)"
    if any(math.isinf(f.width) for f in open_):
        return None, "Without an interval nothing can be said of the power."
    against = [(f, printed[f.part]) for f in open_ if not printed[f.part].missing]
    if against:
        chance = min(power(p.value - bound_of(f.part), f.width) for f, p in against)
        return chance, f"A difference as published would be seen with a probability of {chance:.0%} {normal}."
    least = max(detectable(f.width) for f in open_)
    return None, f"A difference of {least:.3g} would be seen with a probability of {DETECTED:.0%} {normal}."


def _signed(value: float) -> str:
    return f"{value:+.4g}".replace("-", "−") if abs(value) > 5e-10 else "0"


def _sentence(text: str) -> str:
    return text if not text or text.endswith(".") else f"{text}."


def _finite(value: float) -> float | None:
    return round(value, 9) if math.isfinite(value) else None
