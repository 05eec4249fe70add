"""What papers/audit/<paper>.yaml declares: counts of samples, formulas, statements, and what people read."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from facetory.pipeline.config import WORKFLOW, load_yaml
from facetory.pipeline.suggest import validated
from facetory.report.audit.finding import Outcome


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Counted(_Strict):
    """How many samples the scores of some requests are shares of, and where the paper says so.

    ``where`` are keys that a request has; ``n`` is one count, or several with what they are where the paper
    states none.  Without ``n``, ``why`` says why those scores are no shares of a count.
    """

    where: dict[str, Any]
    n: int | dict[int, str] | None = None
    why: str = ""
    source: str = ""


class Formula(_Strict):
    """A column of some tables that other printed numbers give, which `recomputed.names_of` names."""

    tables: tuple[str, ...]
    column: str
    of: str


class Statement(_Strict):
    """What the text says, and the same as an expression over the printed numbers."""

    id: str
    text: str
    source: str
    check: str
    note: str = ""


class Curated(_Strict):
    """A finding that people made by reading."""

    id: str
    value: float | str
    source: str
    check: str
    outcome: Outcome
    detail: str
    evidence: list[str]


class Declared(_Strict):
    """A paper's file.

    ``unit`` is that of requests that name none.  ``defaults`` are what requests mean by leaving a key out,
    and ``exact`` metrics in which equal values of two rows mean nothing.
    """

    paper: str
    unit: Literal["%", ""]
    defaults: dict[str, Any] = {}
    exact: tuple[str, ...] = ()
    counted: tuple[Counted, ...] = ()
    formulas: tuple[Formula, ...] = ()
    statements: tuple[Statement, ...] = ()
    curated: tuple[Curated, ...] = ()


def declared(paper: str) -> Declared:
    """What is declared of a paper; an unknown key is a `FacetoryError` that names the file."""
    path = WORKFLOW / "papers" / "audit" / f"{paper}.yaml"
    return validated(Declared, load_yaml(path), str(path))
