"""The claims ledger: whether what the papers say holds, of the numbers they print and of those measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from facetory.pipeline.files import read_json, write_json
from facetory.pipeline.suggest import validated
from facetory.report.cells import Cell
from facetory.report.claims.claim import Posed
from facetory.report.claims.judge import Finding, Verdict, states
from facetory.report.claims.pairing import Pair
from facetory.report.claims.parts import Part, leaves
from facetory.report.claims.regenerated import measured
from facetory.report.claims.wording import of_cells, of_printed


class Judgement(BaseModel):
    """A verdict and why.  ``value`` is the difference that decides, with its interval, in its cells' unit.

    ``power`` goes with `inconclusive`, ``direction`` with `not_comparable`: whether stand-in data, or a
    smaller budget, points the way that the paper claims.
    """

    model_config = ConfigDict(extra="forbid")

    verdict: Verdict
    detail: str
    value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    power: float | None = Field(None, ge=0, le=1)
    direction: Literal["same", "opposite", "unclear"] | None = None


class Row(BaseModel):
    """A claim with its verdicts; ``evidence`` are the ids of the cells that it is about."""

    model_config = ConfigDict(extra="forbid")

    id: str
    paper: str
    text: str
    source: str
    on_published: Judgement
    on_regenerated: Judgement
    evidence: list[str]


class Ledger(BaseModel):
    """claims.json."""

    model_config = ConfigDict(extra="forbid")

    claims: list[Row]


def on_published(posed: Posed) -> Judgement:
    """Whether a claim holds of the numbers that its paper prints."""
    findings = _printed(posed)
    return Judgement(**of_printed(posed.node, findings, states(posed.node, findings))._asdict())


def on_cells(posed: Posed, cells: Mapping[str, Cell], pair: Pair | None = None) -> Judgement:
    """Whether a claim holds of measured cells by id, whatever they were measured on.

    ``pair`` gives paired intervals (`pairing.Pair`).
    """
    parts = dict.fromkeys(leaves(posed.node))
    findings = {part: measured(part, cells, pair, posed.claim.exact) for part in parts}
    apart = any(finding.apart for finding in findings.values())
    shown = states(posed.node, findings, directions=apart)
    return Judgement(**of_cells(posed.node, findings, shown, _printed(posed))._asdict())


def row_of(posed: Posed, cells: Mapping[str, Cell], pair: Pair | None = None) -> Row:
    """A claim's row of the ledger."""
    return Row(
        id=posed.claim.id,
        paper=posed.paper,
        text=posed.claim.text,
        source=posed.claim.source,
        on_published=on_published(posed),
        on_regenerated=on_cells(posed, cells, pair),
        evidence=posed.evidence,
    )


def write_claims(path: Path | str, rows: Iterable[Row]) -> None:
    """Write claims.json atomically."""
    write_json(path, Ledger(claims=list(rows)).model_dump(mode="json"))


def read_claims(path: Path | str) -> Ledger:
    """Read claims.json; a missing or foreign file is a `FacetoryError` that names it."""
    return validated(Ledger, read_json(path), str(path))


def _printed(posed: Posed) -> dict[Part, Finding]:
    return {part: _as_printed(part, posed.numbers) for part in leaves(posed.node)}


def _as_printed(part: Part, numbers: Mapping[str, float]) -> Finding:
    """A part on the paper's own numbers, which have no interval here."""
    if lacking := [cell for cell in part.terms if cell not in numbers]:
        return Finding(part, missing=f"the paper prints no number for {lacking[0]}")
    left, right = (
        side.constant + sum(c * numbers[cell] for cell, c in side.terms) for side in (part.left, part.right)
    )
    value = left - right
    return Finding(part, left, right, value, value, value)
