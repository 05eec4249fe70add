"""`facetory verify`: whether results, or an archive of them, are what they say they are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facetory.pipeline.files import FacetoryError

if TYPE_CHECKING:
    from facetory.report.plans import PlansFile
    from facetory.report.rebuilt import Rebuilt

VERIFY_HELP = """Check results, or an archive of them: files against their hashes, tables against the records.

Every file that a manifest names is held against its recorded hash. Then every table, and the cells of every
figure, are measured again from the records on the CPU, and compared byte for byte with the .cells.json, .csv,
.tex and .html that were made. Nothing is trained, evaluated or drawn. What differs is named with its first
cell, and the exit code is 1.

Examples:

  facetory verify results/demo

  facetory verify demo.zip
"""


def verify(
    root: Annotated[
        Path, typer.Argument(help="A results folder, e.g. results/demo, or an archive's zip file.")
    ],
) -> None:
    """See `VERIFY_HELP`."""
    from facetory.report.unpacked import results

    with results(root) as folder:
        try:
            _verify(folder)
        except FacetoryError as error:
            raise FacetoryError(str(error).replace(str(folder), str(root))) from error


def _verify(root: Path) -> None:
    """The same of a folder, which an archive may have been unpacked to."""
    from facetory.report.archive import SUMS
    from facetory.report.manifests import check_manifests
    from facetory.report.plans import NAME, read_plans
    from facetory.report.unpacked import AGAIN, about_archive, check_sums, sums

    archive = about_archive(root)
    present = sums(root).keys() - archive.reduced.keys() if archive else None
    broken, checked = check_sums(root) if archive else [], check_manifests(root, present)
    if broken or checked.broken:
        remedy = AGAIN if archive else "Delete the folders named above and run their targets again."
        raise FacetoryError("\n".join([*broken, *checked.broken, remedy]))
    if archive:
        typer.echo(f"{len(sums(root))} files match {SUMS}.")
    left_out = f" {checked.left_out} more are not in the archive." if checked.left_out else ""
    typer.echo(f"{checked.equal} files match their manifests.{left_out}")
    plans = read_plans(root / NAME)
    _report(_rebuilt(root, plans), _pictured(plans) if archive else set())


def _rebuilt(root: Path, plans: PlansFile) -> list[Rebuilt]:
    from facetory.cli.tables import wing
    from facetory.report.rebuilt import rebuild
    from facetory.report.unpacked import rebuildable
    from facetory.training.progress import shown

    found = []
    with rebuildable(root) as records, shown("rebuilding", 0, len(plans.plans)) as show:
        for plan in plans.plans.values():
            found.append(rebuild(plan, root, records, wing(plan, "cells").table))
            show(len(found), {})
    return found


def _pictured(plans: PlansFile) -> set[str]:
    """The tables and figures that are measured from pictures, which an archive leaves out."""
    from facetory.report.archive import PICTURES

    read = {name: [path.partition("/")[0] for path in plan.inputs] for name, plan in plans.plans.items()}
    return {name for name, kinds in read.items() if PICTURES in kinds}


def _report(found: list[Rebuilt], excused: set[str]) -> None:
    """Say what was rebuilt; what differs, or cannot be rebuilt without excuse, is a `FacetoryError`."""
    equal = [own for own in found if own.outcome in ("equal", "rounded")]
    files, cells = sum(own.files for own in equal), sum(own.cells for own in equal)
    typer.echo(f"{len(equal)} tables and figures are what the records give: {files} files, {cells} cells.")
    count = Counter(own.outcome for own in found)
    if count["rounded"]:
        typer.echo(f"{count['rounded']} of them but for digits beyond the ninth: another machine's sums.")
    if count["not made"]:
        typer.echo(f"{count['not made']} others were not made here.")
    problems: list[str] = []
    for own in found:
        if own.outcome == "not rebuilt" and own.name in excused:
            typer.echo(f"{own.name}: not rebuilt. It is measured from pictures, and an archive has none.")
        else:
            problems += own.problems
    if problems:
        remedy = "Run those targets again, or find out who changed the records or the tables."
        raise FacetoryError("\n".join([*problems, remedy]))
