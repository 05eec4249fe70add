"""What was checked of a paper's printed numbers, and what came out: a value, a check, an outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from facetory.pipeline.files import read_json, write_json
from facetory.pipeline.suggest import validated

Outcome = Literal["consistent", "inconsistent", "not checkable"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


class Finding(BaseModel):
    """One check of what a paper prints.

    ``source``, ``row`` and ``column`` are the paper's own labels, of prose its section alone.  ``value`` is
    as printed; ``detail`` tells what the check gave; ``evidence`` are the cells, or what else it rests on.
    What is ``curated`` was read by people: no arithmetic over the printed numbers finds it.
    """

    model_config = ConfigDict(extra="forbid")

    id: str
    paper: str
    source: str
    row: str | None = None
    column: str | None = None
    value: float | str | None = None
    check: str
    outcome: Outcome
    detail: str = ""
    evidence: list[str] = []
    curated: bool = False


class Audit(BaseModel):
    """The findings on some papers, and how many of each paper have each outcome."""

    model_config = ConfigDict(extra="forbid")

    findings: list[Finding]
    counts: dict[str, dict[Outcome, int]]


def audit_of(findings: Sequence[Finding]) -> Audit:
    """The findings with their counts; no two may have the same id."""
    repeated = [name for name, n in Counter(finding.id for finding in findings).items() if n > 1]
    if repeated:
        raise ValueError(f"two findings are called {repeated[0]}")
    counts: dict[str, dict[Outcome, int]] = {}
    for finding in findings:
        own = counts.setdefault(finding.paper, dict.fromkeys(OUTCOMES, 0))
        own[finding.outcome] += 1
    return Audit(findings=list(findings), counts=counts)


def write_audit(path: Path | str, audit: Audit) -> None:
    """Write ``audit.json`` atomically."""
    write_json(path, audit.model_dump(mode="json"))


def read_audit(path: Path | str) -> Audit:
    """Read ``audit.json``; a missing or foreign file is a `FacetoryError` that names it."""
    return validated(Audit, read_json(path), str(path))
