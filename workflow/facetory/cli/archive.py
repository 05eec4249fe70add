"""`facetory archive`: records, manifests and tables in one zip file, with checksums."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetory.pipeline.files import FacetoryError

ARCHIVE_HELP = """Bundle results for a reviewer: records, manifests, tables, claims and audit, with checksums.

From the bundle every table can be rebuilt (`facetory verify BUNDLE`). It holds no picture of a face: no
pictures, latents, weights, face descriptions or drawn figures, and not the report. Equal results give equal
bundles, byte for byte.

Example:

  facetory archive results/demo --out demo.zip
"""


def archive(
    root: Annotated[Path, typer.Argument(help="A results folder, e.g. results/demo.")],
    out: Annotated[Path | None, typer.Option(help="The zip file to write; by default ROOT's name.")] = None,
) -> None:
    """See `ARCHIVE_HELP`."""
    import zipfile

    from facetory.report.archive import write_archive

    if not root.is_dir():
        raise FacetoryError(f"{root}: no such folder. Name a scale's results, e.g. results/demo.")
    path = out or Path(f"{root.resolve().name}.zip")
    about = write_archive(root, path)
    with zipfile.ZipFile(path) as bundle:
        count = len(bundle.namelist())
    typer.echo(f"{path}: {count} files, {path.stat().st_size / 1e6:.1f} MB, of {about.results}.")
    if about.reduced:
        typer.echo(f"Pictures and face descriptions were left out of {len(about.reduced)} of them.")
