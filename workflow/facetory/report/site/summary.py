"""What the cells of a paper add up to: counts by status, and one sentence on whether it reproduced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from facetory.report.cells import Cell
from facetory.report.claims.ledger import Row
from facetory.report.notes import SYMBOLS
from facetory.report.site.gathering import Site

VERDICTS = {
    "holds": ("●", "holds"),
    "fails": ("▲", "fails"),
    "inconclusive": ("○", "inconclusive: the interval holds both answers"),
    "not_comparable": ("◇", "measured on stand-in data or other budgets: no verdict on the paper"),
    "not_run": ("✕", "not run"),
    "no_number": ("–", "the paper prints no number for it"),
}
"""Verdicts on a claim, with their symbol and meaning."""
OUTCOMES = {
    "consistent": ("●", "consistent"),
    "inconsistent": ("▲", "inconsistent"),
    "not checkable": ("○", "not checkable"),
}
"""Outcomes of a check of the paper's own numbers, with their symbol and meaning."""


def by_status(cells: Iterable[Cell]) -> dict[str, int]:
    """How many cells have each status, in a fixed order, without zeros."""
    counted = Counter(cell.status for cell in cells)
    return {status: counted[status] for status in SYMBOLS if counted[status]}


def by_word(words: Iterable[str], order: Iterable[str]) -> dict[str, int]:
    """How often each verdict or outcome occurs, in a fixed order, without zeros."""
    counted = Counter(words)
    return {word: counted[word] for word in order if counted[word]}


def verdict(claim: Row, side: str) -> str:
    """A claim's verdict ``on_published`` or ``on_regenerated``; what is not printed was not `not_run`."""
    found: str = getattr(claim, side).verdict
    return "no_number" if (side, found) == ("on_published", "not_run") else found


def by_verdict(claims: Iterable[Row], side: str) -> dict[str, int]:
    """How many claims have each `verdict`, in a fixed order, without zeros."""
    return by_word((verdict(claim, side) for claim in claims), VERDICTS)


def answer(counts: Mapping[str, int], rehearsal: bool) -> str:
    """One sentence on whether the numbers came out as published; only comparable cells count."""
    if rehearsal:
        return "Not tested: this is a rehearsal, and none of its numbers means anything."
    came_out, outside = counts.get("reproduced", 0), counts.get("outside", 0)
    rest = _rest(counts)
    if not came_out + outside:
        why = "was regenerated under the paper's own conditions" if rest else "is here yet"
        return f"Cannot be said: no published number {why}{rest}."
    compared = came_out + outside
    if not outside:
        return f"Yes, as far as compared: {_of(compared, 'all')} came out as published{rest}."
    if not came_out:
        return f"No: {_of(compared, 'none of')} came out as published{rest}."
    share = round(100 * came_out / compared)
    return f"In part: {came_out} of {_of(compared)} ({share} %) came out as published{rest}."


def _of(count: int, word: str = "") -> str:
    return f"{word} {count} comparable number{'' if count == 1 else 's'}".strip()


def _rest(counts: Mapping[str, int]) -> str:
    parts = [
        f"{counts[status]} {words}"
        for status, words in (("not_comparable", "may not be compared"), ("not_run", "were not run"))
        if counts.get(status)
    ]
    return f"; {' and '.join(parts)}" if parts else ""


def facts(site: Site) -> dict[str, Any]:
    """What holds of all that was made, by cells and manifests: scale, stand-ins, when, by what, on what."""
    tables = [target.table for target in site.targets]
    says = site.origins.manifests.values()
    versions = {f"{name} {v}" for one in says for name, v in (one.get("versions") or {}).items()}
    started = sorted(one["started"] for one in says if one.get("started"))
    stood = (cell for table in tables for cell in table.cells if cell.stand_in)
    return {
        "scale": tables[0].scale,
        "reading": tables[0].reading,
        "rehearsal": any(table.rehearsal for table in tables),
        "stand_ins": list(dict.fromkeys(f"{c.dataset} for {c.slot_title or c.slot}" for c in stood)),
        "first": started[0] if started else None,
        "last": started[-1] if started else None,
        "hours": sum(one.get("duration_s") or 0 for one in says) / 3600,
        "commits": sorted({one["git_commit"] for one in says if one.get("git_commit")}),
        "devices": sorted({str(one["device"]) for one in says if one.get("device")}),
        "versions": sorted(versions),
    }
