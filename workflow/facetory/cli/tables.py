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
    write_table(wing(plan, "cells").table(plan, root), root / "tables")


@app.command()
def figure(name: Name, root: Root, settings: SettingsText = "{}") -> None:
    """Draw a figure or an ablation as .pdf and .png, with its data and cells, into ROOT/figures."""
    plan = _plan(name, settings)
    wing(plan, "draw").draw(plan, root, root / "figures")


@app.command()
def plans(root: Root, settings: SettingsText = "{}") -> None:
    """Write what every cell of the study asks for as ROOT/plans.json."""
    from facetory.report.plans import NAME, write_plans

    write_plans(root / NAME, _config(settings), _plans(settings))


def wing(plan: Plan, module: str) -> Any:
    """A module of the wing of a plan's paper."""
    return importlib.import_module(f"facetory.{plan.paper}.{module}")


def _plan(name: str, settings: str) -> Plan:
    """The named plan of the study that the settings describe."""
    known = _plans(settings)
    if name not in known:
        raise unknown("table or figure", name, known, "facetory table")
    return known[name]


def _plans(settings: str) -> dict[str, Plan]:
    from facetory.cli.study import load_study

    return load_study(_config(settings)).plans


def _config(settings: str) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(settings)
    except json.JSONDecodeError as error:
        raise FacetoryError(f"--settings: not valid JSON ({error}). Give config.yaml's content.") from error
    return config
