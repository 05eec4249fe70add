"""`facetory audit`: check the papers' printed numbers against each other (no results are needed)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from facetory.report.audit.finding import Finding

AUDIT_HELP = """
Check what the papers print: can the percentages be shares of the samples, do averages and differences follow
from their parts, is one quantity printed twice with different values, and does the text fit the tables?

It reads workflow/papers alone.  Inconsistent findings are listed, with --all every one.
"""

Out = Annotated[Path | None, typer.Option("--out", help="Where to write the findings, e.g. audit.json.")]
Paper = Annotated[list[str], typer.Option("--paper", help="Only this paper, e.g. emodc; may be repeated.")]
Everything = Annotated[bool, typer.Option("--all", help="List the consistent and unchecked ones too.")]


def audit(out: Out = None, paper: Paper = [], everything: Everything = False) -> None:  # noqa: B006
    """List the findings of the papers that are named, or of all of them."""
    from rich.console import Console

    from facetory.pipeline.registry import PAPERS
    from facetory.report.audit.checks import audit as audited
    from facetory.report.audit.finding import write_audit

    found = audited(paper or PAPERS)
    if out:
        write_audit(out, found)
    console = Console()
    for name, counts in found.counts.items():
        told = ", ".join(f"{n} {outcome}" for outcome, n in counts.items())
        own = [finding for finding in found.findings if finding.paper == name]
        shown = [finding for finding in own if everything or finding.outcome == "inconsistent"]
        console.print(_table(f"{name}: {told}", shown))
    if out:
        console.print(f"Written to {out}.", markup=False)


def _table(title: str, findings: Sequence[Finding]) -> Table:
    """A line a finding: where it stands, what is printed, what was checked and what came out."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left")
    for heading in ("where", "printed", "check", "outcome"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        where = ": ".join(part for part in (finding.source, finding.row, finding.column) if part)
        told = f"{finding.outcome}{' (by reading)' if finding.curated else ''}. {finding.detail}"
        cells = (where, "" if finding.value is None else str(finding.value), finding.check, told)
        table.add_row(*map(Text, cells))
    return table
