"""`facetory claims`: judge what the papers say, on their printed numbers and on a results folder's cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.table import Table

    from facetory.pipeline.registry import Plan
    from facetory.report.claims.ledger import Row
    from facetory.report.claims.pairing import Pair

CLAIMS_HELP = """
Judge the papers' headline claims twice: on the numbers that each paper prints, and on the regenerated cells
with their uncertainty.

A claim holds when the interval of every difference lies on its side, fails when one lies on the other, and is
inconclusive otherwise, with the power there was.  On stand-in data only the direction is told.  The claims
are in workflow/papers/claims.  Of ROOT, a scale's results, tables may be missing; its plans.json lets cells
of the same samples be compared pair by pair.
"""

Root = Annotated[Path, typer.Argument(help="A results folder, e.g. results/demo.")]
Out = Annotated[
    Path | None, typer.Option("--out", help="Where to write the ledger. [default: ROOT/claims.json]")
]


def claims(root: Root, out: Out = None) -> None:
    """Write the ledger and print a line a claim."""
    from rich.console import Console

    from facetory.pipeline.registry import PAPERS
    from facetory.report.claims.claim import claims_of
    from facetory.report.claims.ledger import row_of, write_claims
    from facetory.report.made import made
    from facetory.report.plans import NAME, read_plans

    cells = {cell.id: cell for table in made(root).values() for cell in table.cells}
    planned = read_plans(root / NAME).plans if (root / NAME).is_file() else None
    pair = None if planned is None else _pair(planned, root)
    rows = [row_of(posed, cells, pair) for paper in PAPERS for posed in claims_of(paper)]
    path = out or root / "claims.json"
    write_claims(path, rows)
    console = Console()
    for paper in PAPERS:
        console.print(_table(paper, [row for row in rows if row.paper == paper]))
    if pair is None:
        typer.echo(f"{root / NAME} is missing: cells were compared as if of different samples.")
    typer.echo(f"Written to {path}.")


def _pair(plans: Mapping[str, Plan], root: Path) -> Pair:
    """Sums of cells by their wing's records; None for cells that are not planned, or without records."""
    import importlib

    from facetory.report.claims.pairing import Paired, Term

    planned = {cell.id: (plan, cell) for plan in plans.values() for cell in plan.cells}

    def pair(coefficients: Mapping[str, float]) -> Paired | None:
        if any(name not in planned for name in coefficients):
            return None
        terms = [Term(coefficient, *planned[name]) for name, coefficient in coefficients.items()]
        alone = [plan.model_copy(update={"cells": (cell,)}) for _, plan, cell in terms]
        if not all((root / path).is_file() for plan in alone for path in plan.inputs):
            return None
        (paper,) = {term.plan.paper for term in terms}
        found: Paired | None = importlib.import_module(f"facetory.{paper}.paired").combination(terms, root)
        return found

    return pair


def _table(title: str, rows: Sequence[Row]) -> Table:
    """A line a claim: its text, and the verdicts."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left")
    for heading in ("claim", "on published", "on regenerated"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        new = row.on_regenerated
        told = " ".join([new.verdict, *([f"({new.direction})"] if new.direction else [])])
        power = "" if new.power is None else f", power {new.power:.0%}"
        table.add_row(Text(f"{row.text} ({row.source})"), row.on_published.verdict, told + power)
    return table
