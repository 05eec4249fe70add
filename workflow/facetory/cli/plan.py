"""`facetory plan`: what a target costs before it runs, on this machine or on one that has all it needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facetory.cli.options import Configured, configured
from facetory.pipeline.files import FacetoryError

if TYPE_CHECKING:
    from facetory.cli.estimate import Stage, Throughput
    from facetory.cli.study import WholeStudy

PLAN_HELP = """Say what a target costs before it runs: jobs, GPU hours, disk, and what must be placed.

TARGET is a table, figure or ablation (snakemake --list-target-rules lists them), all_tables, all_figures
or all. Planned is a machine on which everything is placed; how much of it this one can run is said beside.

Hours are operations divided by the throughput of matrix products, which is measured here for a second or
given (--tflops, in 10^12 operations a second). Operations are counted, not measured: rows that the specs
ask for, times what a row costs (benchmarks/flops.py). No network reaches all of that throughput, so real
hours are longer; a stage may also compute less than its spec allows, and a note says where.

Examples:

  facetory plan all_tables --config scale=paper --tflops 200 --gpus 4

  facetory plan all --measured results/demo    # estimated against measured, stage by stage
"""
NOTES = {
    "train_emodc": "with every sample active; the active set computes fewer",
    "race_emodc": "as if no class left a race",
    "edit_smc": "without sharing among equal particles",
    "train_recognizer": "all epochs; patience may end sooner",
    "train_face_recognizer": "all epochs; patience ends sooner",
    "train_generator": "nothing where the authors' checkpoints are placed",
    "synthesise": "without the reserve for faces that are not found",
}
HOUR, GB = 3600, 10**9


def plan(
    target: Annotated[str, typer.Argument(help="A target of Snakemake.")] = "all",
    config: Configured = None,
    gpus: Annotated[int, typer.Option(min=1, help="Devices that work side by side.")] = 1,
    tflops: Annotated[
        float | None, typer.Option(min=1e-6, help="Throughput of one device in half precision (and single).")
    ] = None,
    tflops_single: Annotated[
        float | None, typer.Option(min=1e-6, help="Throughput in single precision, where it is another.")
    ] = None,
    measured: Annotated[
        Path | None, typer.Option(help="Finished results of this scale, to compare the estimate with.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """See `PLAN_HELP`."""
    import json

    about = planned(target, configured(config or []), gpus, tflops, tflops_single, measured)
    if as_json:
        typer.echo(json.dumps(about, indent=1, ensure_ascii=False))
    else:
        _print(about)


def planned(
    target: str,
    config: dict[str, Any],
    gpus: int = 1,
    tflops: float | None = None,
    tflops_single: float | None = None,
    measured: Path | None = None,
) -> dict[str, Any]:
    """All that `facetory plan` says, as JSON holds it."""
    from facetory.cli import estimate
    from facetory.cli.jobs import jobs_of, plans_of
    from facetory.cli.needed import needed
    from facetory.cli.sizes import KnownSizes
    from facetory.cli.study import load_study
    from facetory.pipeline.config import load_settings

    name = load_settings(config).name
    if measured and measured.name != name:
        raise FacetoryError(
            f"--measured {measured}: holds another scale than the plan's, {name}. Give "
            f"--config scale={measured.name}, or results of {name}."
        )
    here, ideal = load_study(config), load_study(config, ideal=True)
    root = measured or Path("results") / name
    jobs, now = jobs_of(ideal, target), jobs_of(here, target)
    throughput = _throughput(ideal, tflops, tflops_single)
    sizes = KnownSizes(ideal, root)
    stages = estimate.stages(jobs.values(), ideal, sizes, root, throughput)
    own = estimate.stages(now.values(), here, KnownSizes(here, root), root, throughput)
    cells = [cell for name in plans_of(here, target) for cell in here.plans[name].cells]
    return {
        "target": target,
        "scale": name,
        "device": ideal.settings.device,
        "gpus": gpus,
        "throughput": throughput.model_dump(),
        "jobs": len(jobs),
        "jobs_done": sum(stage.done for stage in stages),
        "jobs_that_can_run_here": len(now),
        "hours_left_here": sum(stage.seconds_left for stage in own) / HOUR,
        "operations": sum(stage.operations for stage in stages),
        "hours": sum(stage.seconds for stage in stages) / HOUR,
        "hours_left": sum(stage.seconds_left for stage in stages) / HOUR,
        "wall_hours_left": sum(stage.seconds_left for stage in stages) / HOUR / gpus,
        "bytes": sum(stage.bytes for stage in stages),
        "stages": [stage.model_dump() | {"note": NOTES.get(stage.rule, "")} for stage in stages],
        "needed": [own.model_dump() for own in needed(jobs.values(), ideal, estimate.counted())],
        "not_run_here": list(dict.fromkeys(cell.not_run for cell in cells if cell.not_run)),
        "measured": (
            estimate.compared(now.values(), here, KnownSizes(here, root), root, throughput)
            if measured
            else None
        ),
    }


def _throughput(study: WholeStudy, half: float | None, single: float | None) -> Throughput:
    """The throughput that was given, or that of the device which the study's jobs would use here."""
    from facetory.cli.estimate import Throughput

    if half:
        return Throughput(half=half, single=single or half, source="as given")
    from facetory.pipeline.gpu import visible_gpus
    from facetory.training.device import device_name
    from facetory.training.throughput import matmul_tflops

    device = "cuda" if study.settings.device == "cuda" and visible_gpus() else "cpu"
    if device == "cpu":
        import torch

        torch.set_num_threads(study.settings.scale.threads)
    found = {kind: matmul_tflops(device, kind == "half") for kind in ("half", "single")}
    threads = f", {study.settings.scale.threads} thread(s)" if device == "cpu" else ""
    return Throughput(
        half=found["half"],
        single=single or found["single"],
        source=f"matrix products on this machine's {device_name(device)}{threads}",
    )


def _print(about: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from facetory.cli.estimate import Stage

    console, notes = Console(), []
    table = Table(title=f"{about['target']} at scale {about['scale']}")
    for heading in ("stage", "jobs", "done", "10¹⁵ operations", "hours", "GB"):
        table.add_column(heading, justify="left" if heading == "stage" else "right", no_wrap=True)
    for own in about["stages"]:
        stage = Stage.model_validate({key: own[key] for key in Stage.model_fields})
        table.add_row(*_row(stage))
        notes += [f"{stage.rule}: {note}" for note in (own["note"], *stage.unknown) if note]
    console.print(table)
    for line in (*notes, "", *_summary(about), "", *_placing(about["needed"])):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if about["measured"] is not None:
        _print_measured(console, about["measured"])


def _row(stage: Stage) -> tuple[str, ...]:
    computed = (
        (f"{stage.operations / 1e15:.4g}", f"{stage.seconds / HOUR:.3g}") if stage.computes else ("", "")
    )
    room = f"{stage.bytes / GB:.3g}" if stage.bytes else ""
    return (stage.rule, str(stage.jobs), str(stage.done), *computed, room)


def _summary(about: dict[str, Any]) -> list[str]:
    """The totals, and what they are estimated from."""
    kind = "GPU" if about["device"] == "cuda" else "processor"
    rate, left = about["throughput"], about["wall_hours_left"]
    return [
        f"{about['jobs']} jobs, {about['jobs_done']} of them done; {about['jobs_that_can_run_here']} can run "
        f"on this machine with what is placed, {about['hours_left_here']:.3g} hours of work left.",
        f"{about['operations'] / 1e15:.4g} · 10¹⁵ operations: {about['hours']:.3g} {kind} hours, "
        f"{about['hours_left']:.3g} of them left, {left:.3g} h with {about['gpus']} side by side.",
        f"{about['bytes'] / GB:.3g} GB on the disk at most, pictures as if they were not compressed.",
        f"An estimate from counted operations, at {rate['half']:.3g} · 10¹² a second in half and "
        f"{rate['single']:.3g} in single precision ({rate['source']}). Start-up, reading, detection of faces "
        "and figures are not in it.",
    ]


def _placing(needed: list[dict[str, Any]]) -> list[str]:
    """What has to be placed, a line each: the reason tells how; then what is there already."""
    lacking: list[str] = []
    there: list[str] = []
    for own in needed:
        size = f", {own['bytes'] / GB:.2g} GB" if own["bytes"] else ""
        size = f", {own['samples']:,} samples" if own["samples"] else size
        told = f"{own['kind']} {own['name']}{size} ({own['licence']})"
        (lacking if own["missing"] else there).append(
            f"Not placed: {told}. {own['missing']}" if own["missing"] else f"Placed: {told}"
        )
    return [*lacking, *there]


def _print_measured(console: Any, measured: dict[str, dict[str, float]]) -> None:
    from rich.table import Table

    table = Table(title="Estimated against measured")
    for heading in ("stage", "jobs", "estimated s", "measured s", "estimated / measured"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for rule, own in measured.items():
        numbers = (f"{own['estimated']:.3g}", f"{own['measured']:.3g}", f"{own['ratio']:.2g}")
        table.add_row(rule, f"{own['jobs']:.0f}", *numbers)
    console.print(table)
    if not measured:
        console.print("No finished job of these stages has a manifest with its duration.")
