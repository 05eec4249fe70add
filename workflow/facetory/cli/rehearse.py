"""`facetory rehearse`: the paper's scale on fabricated data and random weights, and what of it ran."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from facetory.cli.options import unwrapped
from facetory.pipeline.files import FacetoryError

app = typer.Typer(
    no_args_is_help=True,
    help="Rehearse the paper's scale on machines without its datasets and weights (`make rehearsal`).",
)

FABRICATE_HELP = """Fabricate every dataset and weight of the paper's scale in its real file format.

About 9 GB.  The folder is marked: scales that are no rehearsal refuse it.

Example:

  facetory rehearse fabricate data/rehearsal --processes 2
"""

DataRoot = Annotated[Path, typer.Argument(help="The rehearsal's data root, e.g. data/rehearsal.")]
Trace = Annotated[Path, typer.Option(help="Where the commands left their traces (FACETORY_TRACE).")]


@app.command(help=unwrapped(FABRICATE_HELP))
def fabricate(
    data_root: DataRoot,
    scale: Annotated[str, typer.Option(help="The scale whose `fabricated` sizes are made.")] = "rehearsal",
    processes: Annotated[int, typer.Option(help="Processes that render faces.")] = 1,
) -> None:
    """See `FABRICATE_HELP`."""
    from facetory.pipeline.config import Scale, scale_content
    from facetory.pipeline.suggest import validated
    from facetory.rehearsal.fabricate import fabricate as fill

    sizes = validated(Scale, scale_content(scale), f"{scale}.yaml").fabricated
    if not sizes:
        raise FacetoryError(
            f"{scale}.yaml: says nothing under `fabricated`, so it is no rehearsal. Name one."
        )
    done = fill(data_root, sizes, processes)
    typer.echo(f"{data_root}: {'filled' if done else 'holds all of it already'}.")


@app.command()
def readers(data_root: DataRoot, trace: Trace = Path("results/rehearsal/trace")) -> None:
    """Read the layouts of datasets and the weights that the workflow itself does not ask for."""
    from facetory.rehearsal.readers import read_all

    found = read_all(data_root, trace)
    for each in found:
        typer.echo(f"{each.kind} {each.name}: {each.status} {each.detail}".rstrip())
    if any(each.status == "failed" for each in found):
        raise FacetoryError(
            "Some readers failed: see the lines above, and mend them or the fabricated files."
        )


@app.command()
def coverage(
    results: Annotated[Path, typer.Argument(help="The rehearsal's results, e.g. results/rehearsal.")],
    data_root: Annotated[Path, typer.Option(help="Its data root.")] = Path("data/rehearsal"),
    trace: Trace = Path("results/rehearsal/trace"),
    record: Annotated[
        Path | None, typer.Option(help="JSON to keep: totals, seconds and peak memory of each command.")
    ] = None,
) -> None:
    """Write the page of what the rehearsal executed, and why not the rest, to RESULTS/coverage/index.html."""
    from rich.console import Console

    from facetory.cli.rehearsed import write_coverage
    from facetory.pipeline.files import write_json
    from facetory.rehearsal.coverage_page import summary
    from facetory.training.device import device_name

    config = {"scale": results.name, "data_root": str(data_root)}
    found = write_coverage(config, results, trace, results / "coverage")
    Console().print(summary(found))
    if record:
        names = [device_name(device) for device in found.devices]
        kept = found.model_dump(mode="json", include={"scale", "date", "functions", "statements", "stages"})
        write_json(record, {"devices": names, "cores": os.cpu_count(), "totals": found.totals(), **kept})
    typer.echo(f"{results / 'coverage' / 'index.html'}")
