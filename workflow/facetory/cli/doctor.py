"""`facetory doctor`: whether this machine can run a configuration, line by line, each with a remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from facetory.cli.options import Configured, configured
from facetory.pipeline.files import FacetoryError

DOCTOR_HELP = """Look at everything a run depends on: Python and its packages, torch, GPUs, memory, disk, git,
config.yaml, placed datasets and weights with their licences. Every line is ok, warn or fail, with a remedy;
the exit status is 1 if any fails.

What a configuration can do without is a warning: a dataset that is not placed leaves its cells as not run.
"""
SIGNS = {"ok": "[green]ok  [/]", "warn": "[yellow]warn[/]", "fail": "[bold red]fail[/]"}


def doctor(
    config: Configured = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """See `DOCTOR_HELP`."""
    findings = examined(config or [])
    if as_json:
        typer.echo(json.dumps([own._asdict() for own in findings], indent=1, ensure_ascii=False))
    else:
        _print(findings)
    if any(own.verdict == "fail" for own in findings):
        raise typer.Exit(1)


def examined(given: list[str]) -> list[Any]:
    """All findings; of a configuration that is not valid the machine's alone, and that one."""
    from facetory.cli import health
    from facetory.cli.study import load_study

    root = Path()
    findings = [health.python(), *health.packages(root / "constraints.txt"), *health.torch(), health.git()]
    try:
        config = configured(given)
        here, ideal = load_study(config), load_study(config, ideal=True)
    except FacetoryError as error:
        remedy = "Correct it; the message names the key."
        return [*findings, health.Finding("configuration", "fail", str(error), remedy)]
    scale = f"scale {here.settings.name}, reading {here.settings.config.reading}"
    return [
        *findings,
        health.Finding("configuration", "ok", f"{scale}: {here.settings.scale.title}"),
        *health.gpus(here.settings),
        health.cores(),
        health.memory(),
        health.data_root(here.settings.config.data_root),
        health.results(root / "results"),
        health.disk(root, ideal),
        *health.placed(ideal),
        health.runnable(here),
    ]


def _print(findings: list[Any]) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    for own in findings:
        console.print(
            f"{SIGNS[own.verdict]} {escape(own.what)}: {escape(own.found)}", highlight=False, soft_wrap=True
        )
        if own.remedy:
            console.print(f"     {escape(own.remedy)}", highlight=False, soft_wrap=True)
    counts = {sign: sum(own.verdict == sign for own in findings) for sign in SIGNS}
    console.print(
        ", ".join(f"{count} {sign}" for sign, count in counts.items()) + ".", highlight=False, soft_wrap=True
    )
