"""All checks of all papers, from workflow/papers alone: no result is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from facetory.pipeline.registry import PAPERS, paper_file
from facetory.pipeline.suggest import unknown
from facetory.report.audit.declared import Declared, declared
from facetory.report.audit.finding import Audit, Finding, audit_of
from facetory.report.audit.granularity import granularity
from facetory.report.audit.numbers import numbers
from facetory.report.audit.recomputed import recomputed
from facetory.report.audit.repeats import coincidences, repeated
from facetory.report.audit.scans import scanned
from facetory.report.audit.statements import stated


def audit(papers: Iterable[str] = PAPERS) -> Audit:
    """The findings on the named papers; an unknown one is a `FacetoryError`."""
    papers = list(papers)
    for paper in papers:
        if paper not in PAPERS:
            raise unknown("paper", paper, PAPERS, "audit")
    return audit_of([finding for name in papers for finding in findings(paper_file(name), declared(name))])


def findings(paper: Mapping[str, Any], about: Declared) -> Iterator[Finding]:
    """What each check finds in a paper's numbers, and what people found in its text."""
    printed = numbers(paper, about)
    yield from granularity(printed, about)
    yield from recomputed(printed, about)
    yield from repeated(printed)
    yield from coincidences(printed, about)
    yield from scanned(printed, paper, about)
    yield from stated(printed, about)
    for own in about.curated:
        told = own.model_dump() | {"id": f"curated/{about.paper}/{own.id}"}
        yield Finding(paper=about.paper, curated=True, **told)
