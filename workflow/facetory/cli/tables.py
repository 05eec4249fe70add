"""`facetory table`: measure a table's cells and write them, or draw a figure (no torch on this path)."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facetory.pipeline.files import FacetoryError
from facetory.pipeline.suggest import unknown

if TYPE_CHECKING:
    from facetory.pipeline.registry import Plan

app = typer.Typer(no_args_is_help=True, help="Tables and figures, from evaluation records.")

Name = Annotated[str, typer.Argument(help="A target's name, e.g. emodc_table1.")]
SettingsText = Annotated[str, typer.Option("--settings", help="The content of config.yaml as JSON.")]
Root = Annotated[Path, typer.Option("--root", help="The scale's results folder, e.g. results/demo.")]


@app.command()
def make(name: Name, root: Root, settings: SettingsText = "{}") -> None:
    """Measure a table and write it as .cells.json, .csv, .tex and .html into ROOT/tables."""
    from facetory.report.tables import write_table

    plan = _plan(name, settings)
    write_table(_wing(plan, "cells").table(plan, root), root / "tables")


@app.command()
def figure(name: Name, root: Root, settings: SettingsText = "{}") -> None:
    """Draw a figure or an ablation as .pdf and .png, with its data and cells, into ROOT/figures."""
    plan = _plan(name, settings)
    _wing(plan, "draw").draw(plan, root, root / "figures")


def _wing(plan: Plan, module: str) -> Any:
    """A module of the wing of a plan's paper."""
    return importlib.import_module(f"facetory.{plan.paper}.{module}")


def _plan(name: str, settings: str) -> Plan:
    """The named plan of the study that the settings describe."""
    from facetory.cli.study import load_study

    try:
        config = json.loads(settings)
    except json.JSONDecodeError as error:
        raise FacetoryError(f"--settings: not valid JSON ({error}). Give config.yaml's content.") from error
    plans = load_study(config).plans
    if name not in plans:
        raise unknown("table or figure", name, plans, "facetory table")
    return plans[name]
