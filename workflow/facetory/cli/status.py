"""`facetory status`: what a configuration asks for, and how far a run of Snakemake in this folder is."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facetory.cli.options import Configured, configured
from facetory.pipeline.snakemake_log import Run, is_locked, newest_log, read_log

if TYPE_CHECKING:
    from rich.console import RenderableType

    from facetory.cli.study import WholeStudy

STATUS_HELP = """Say how far a scale's results are: what is done, what runs, what failed, and what is left.

ROOT is a results folder, e.g. results/demo; without it config.yaml tells the scale. Done is what lies there;
what runs, what failed and when the rest will be done is read from the newest log of Snakemake in this
folder. When nothing runs, the datasets behind the slots are listed, and what cannot run and why.
"""
SHOWN = 12
"""Jobs of a kind that are listed by name."""
EVERY = 2.0
"""Seconds between two looks with --watch."""


def status(
    root: Annotated[Path | None, typer.Argument(help="A results folder, e.g. results/demo.")] = None,
    config: Configured = None,
    watch: Annotated[
        bool, typer.Option(help="Look again every two seconds, until the run has ended.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """See `STATUS_HELP`."""
    from rich.console import Console

    from facetory.cli.study import load_study

    study = load_study(_config_of(root, config or []))
    root = root or Path("results") / study.settings.name
    console = Console()
    if as_json:
        typer.echo(json.dumps(found(study, root, Path()), indent=1, ensure_ascii=False))
    elif watch:
        _watched(study, root, console)
    else:
        console.print(shown(found(study, root, Path())), soft_wrap=True)


def _config_of(root: Path | None, given: list[str]) -> dict[str, Any]:
    """The configuration of a results folder: of its plans.json, else of its name."""
    if root is None or given:
        return configured(given)
    from facetory.report.plans import NAME, read_plans

    if (root / NAME).is_file():
        return read_plans(root / NAME).config
    scale, _, reading = root.name.partition("+")
    return {**configured([]), "scale": scale, **({"reading": reading} if reading else {})}


def found(study: WholeStudy, root: Path, folder: Path) -> dict[str, Any]:
    """Done and planned jobs by rule, the newest run in a working folder, slots, and what cannot run."""
    from facetory.cli.jobs import ORDER, jobs_of
    from facetory.data import catalogue

    settings, jobs = study.settings, list(jobs_of(study, "all").values())
    planned, done = Counter(job.rule for job in jobs), Counter[str]()
    for job in jobs:
        done[job.rule] += (root / job.output).exists()
    log = newest_log(folder)
    slots = {slot: settings.dataset_of(slot) for slot in settings.scale.slots}
    place = settings.config.data_root, settings.config.datasets
    return {
        "scale": settings.name,
        "title": settings.scale.title,
        "root": str(root),
        "stages": {rule: {"jobs": planned[rule], "done": done[rule]} for rule in ORDER if planned[rule]},
        "run": run_of(read_log(log.read_text(errors="replace")), is_locked(folder)) if log else None,
        "slots": {
            slot: {
                "dataset": dataset,
                "stand_in": settings.is_stand_in(slot),
                "missing": catalogue.missing(dataset, *place),
            }
            for slot, dataset in slots.items()
        },
        "targets": len(study.plans),
        "not_run": list(dict.fromkeys(study.missing.values())),
    }


def run_of(run: Run, locked: bool) -> dict[str, Any]:
    """A run of Snakemake as JSON holds it; it goes on if it holds the folder's lock and has not ended."""
    going_on = locked and not run.ended
    end = run.end() if going_on else None
    return {
        "command": run.command,
        "state": "running" if going_on else "ended" if run.ended else "stopped before its end",
        "started": _told(run.first),
        "last_event": _told(run.last),
        "jobs": sum(run.planned.values()),
        "done": len(run.finished),
        "running": [
            {"rule": job.rule, "output": job.output, "log": job.log, "since": _told(job.started)}
            for job in (run.running if going_on else [])
        ],
        "failed": [{"rule": job.rule, "output": job.output, "log": job.log} for job in run.failed],
        "left": sum(run.remaining().values()),
        "seconds_left": round(run.seconds_left() or 0) if end else None,
        "end": _told(end),
    }


def _told(at: datetime | None) -> str | None:
    return at.isoformat(sep=" ", timespec="seconds") if at else None


def _watched(study: WholeStudy, root: Path, console: Any) -> None:
    """Show the state again and again, until nothing runs."""
    from rich.live import Live

    with Live(console=console, auto_refresh=False) as live:
        while True:
            about = found(study, root, Path())
            live.update(shown(about), refresh=True)
            if not about["run"] or about["run"]["state"] != "running":
                return
            time.sleep(EVERY)


def shown(about: dict[str, Any]) -> RenderableType:
    """The state as the terminal shows it; the slots where nothing runs."""
    from rich.console import Group
    from rich.markup import escape

    run = about["run"]
    lines = [f"{about['root']}: {_share(about['stages'])}"]
    if run:
        lines += run_lines(run)
    parts: list[RenderableType] = [escape(line) for line in lines]
    if run and run["state"] == "running":
        return Group(_stages(about), *parts)
    refused = [escape(f"Not run: {reason}") for reason in about["not_run"]]
    return Group(_slots(about), *parts, f"{about['targets']} targets.", *refused)


def _share(stages: dict[str, dict[str, int]]) -> str:
    jobs, done = (sum(stage[key] for stage in stages.values()) for key in ("jobs", "done"))
    return f"{done} of {jobs} results are there"


def run_lines(run: dict[str, Any]) -> list[str]:
    """What is to be said of the newest run."""
    lines = [
        f"Newest run of Snakemake: {run['state']}; {run['done']} of {run['jobs']} jobs done, "
        f"{len(run['failed'])} failed, {run['left']} left; last event {run['last_event']}.",
        f"  {run['command']}",
    ]
    lines += [f"Running since {job['since']}: {job['rule']}  {job['log']}" for job in run["running"][:SHOWN]]
    lines += [f"Failed: {job['rule']}  {job['log'] or job['output']}" for job in run["failed"][:SHOWN]]
    hidden = len(run["failed"]) - SHOWN
    lines += [f"… and {hidden} more that failed"] if hidden > 0 else []
    if run["end"]:
        lines.append(f"About {run['seconds_left'] / 60:.0f} minutes left, until {run['end']}.")
    return lines


def _stages(about: dict[str, Any]) -> RenderableType:
    from rich.table import Table

    table = Table("stage", "done", "of", title=f"Scale {about['scale']}")
    for rule, stage in about["stages"].items():
        table.add_row(rule, str(stage["done"]), str(stage["jobs"]))
    return table


def _slots(about: dict[str, Any]) -> RenderableType:
    from rich.table import Table

    table = Table("slot", "dataset", "stand-in", "can run", title=f"Scale {about['scale']}: {about['title']}")
    for slot, own in about["slots"].items():
        table.add_row(slot, own["dataset"], "yes" if own["stand_in"] else "no", own["missing"] or "yes")
    return table
