"""`facetory report`: the page on which a reviewer sees whether the papers reproduced."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetory.pipeline.files import FacetoryError

REPORT_HELP = """Write ROOT/report/index.html: whether the papers reproduced, cell by cell.

One file that needs no network: every table and figure in its paper's arrangement, each number beside the
published one, and behind each number the manifests of all it was made from. What was not made (claims, audit,
some tables) is named with the command that makes it. Equal results give the same page byte for byte.

Example:

  facetory report results/demo
"""


def report(
    root: Annotated[Path, typer.Argument(help="A scale's results folder, e.g. results/demo.")],
) -> None:
    """See `REPORT_HELP`."""
    from facetory.report.site.page import write_site

    if not root.is_dir():
        raise FacetoryError(f"{root}: no such folder. Name a scale's results, e.g. results/demo.")
    path = write_site(root)
    typer.echo(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
