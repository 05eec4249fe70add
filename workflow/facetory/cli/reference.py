"""`facetory reference`: whether results are those that the project keeps for their scale."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetory.pipeline.config import WORKFLOW
from facetory.pipeline.files import FacetoryError

REFERENCE = WORKFLOW.parent / "docs" / "demo" / "reference.json"
REFERENCE_HELP = """Hold results against the cells that the project keeps of a demo run.

A cell matches when its status, n and dataset are those of the reference and its value lies in the reference's
95 % interval, or the two intervals overlap: training on another processor ends with slightly other weights. A
cell without an interval matches within 10 % of the reference's value. Measured times are left out. Every cell
that does not match is named, and the exit code is 1.

Examples:

  facetory reference results/demo

  facetory reference results/demo --write docs/demo/reference.json
"""


def reference(
    root: Annotated[
        Path, typer.Argument(help="A results folder, e.g. results/demo, or an archive's zip file.")
    ],
    against: Annotated[Path, typer.Option(help="The reference to hold them against.")] = REFERENCE,
    write: Annotated[Path | None, typer.Option(help="Write these results as a reference instead.")] = None,
) -> None:
    """See `REFERENCE_HELP`."""
    from facetory.report import reference as kept
    from facetory.report.made import made
    from facetory.report.unpacked import results

    with results(root) as folder:
        own = kept.reference_of(made(folder))
    if write:
        kept.write_reference(write, own)
        typer.echo(f"{write}: {len(own.cells)} cells.")
        return
    known = kept.read_reference(against)
    if (known.scale, known.reading) != (own.scale, own.reading):
        raise FacetoryError(
            f"{against}: the reference is of scale {known.scale}, reading {known.reading}; {root} of scale "
            f"{own.scale}, reading {own.reading}. Name results of its scale, or another --against."
        )
    found = kept.against(known, own)
    if found.differing:
        count = f"{len(found.differing)} cells differ from {against}, {found.matching} match it."
        again = f"Where that was meant: facetory reference {root} --write {against}"
        raise FacetoryError("\n".join([*found.differing, f"{count} {again}"]))
    typer.echo(f"{root} matches the reference: {found.matching} cells, {found.exact} of them bit for bit.")
