"""`facetory compare`: two results, or archives of them, cell by cell."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from facetory.report.compared import Pair

COMPARE_HELP = """Compare two results, or archives of them, cell by cell.

A cell is equal, or within intervals (each value lies in the other's 95 % interval), or it differs, or only
one of the two has it. The exit code is 0 whatever is found; with --exit-code it is 1 when a cell differs or
is only in one of them.

Examples:

  facetory compare results/demo other/results/demo

  facetory compare demo.zip results/demo --exit-code
"""
Results = Annotated[Path, typer.Argument(help="A results folder, or an archive's zip file.")]


def compare(
    a: Results,
    b: Results,
    every: Annotated[bool, typer.Option("--all", help="List the cells that agree, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every pair of cells as JSON.")] = False,
    exit_code: Annotated[bool, typer.Option(help="End with 1 when cells differ or are missing.")] = False,
) -> None:
    """See `COMPARE_HELP`."""
    import json

    from facetory.report.compared import AGREEING
    from facetory.report.compared import compare as compared
    from facetory.report.made import made
    from facetory.report.unpacked import results

    with results(a) as first, results(b) as second:
        pairs = compared(made(first), made(second))
    apart = [pair for pair in pairs if pair.outcome not in AGREEING]
    if as_json:
        count = Counter(pair.outcome for pair in pairs)
        dumped = [pair.model_dump(mode="json") for pair in pairs]
        typer.echo(json.dumps({"counts": count, "cells": dumped}, indent=1, ensure_ascii=False))
    else:
        _print(pairs, pairs if every else apart)
    if exit_code and apart:
        raise typer.Exit(1)


def _print(pairs: list[Pair], listed: list[Pair]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if listed:
        table = Table()
        for heading in ("cell", "A", "B", "B − A", "found"):
            table.add_column(heading, justify="right" if heading in ("A", "B", "B − A") else "left")
        for pair in listed:
            numbers = [_number(value) for value in (pair.a, pair.b, pair.difference)]
            found = f"{pair.outcome} ({pair.why})" if pair.why else pair.outcome
            table.add_row(pair.address, *numbers, found)
        console.print(table)
    count = Counter(pair.outcome for pair in pairs)
    console.print(", ".join(f"{number} {outcome}" for outcome, number in count.items()) + ".", markup=False)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
