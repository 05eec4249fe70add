"""`facetory explain`: where a number comes from, and the exact command that remakes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from facetory.report.explained import Artefact, Explanation

EXPLAIN_HELP = """Say where a number comes from, back to the data, and the command that remakes it.

CELL is the target, the row and the column of a cell, as the table prints them; a figure with panels has the
panel's slot before the row (emodc_fig6:rafdb_basic/Base:t=1). Shown are the number with its interval and
status, the dataset that fills its slot, and every stage of its making by its manifest: code, versions,
device, seed, duration and the hashes of what it read. The results are enough: no dataset need be placed.

Examples:

  facetory explain 'emodc_table3:"AMDiT (c_nn = c_p)":"RAF-DB B"'

  facetory explain 'smc_table1:*:Realism'   # what cells there are
"""
SHORT = 12
"""Characters of a hash that are printed."""


def explain(
    cell: Annotated[str, typer.Argument(help='The cell: target:"row":"column".')],
    root: Annotated[Path, typer.Option(help="The results, or an archive of them.")] = Path("results/demo"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything as JSON, hashes in full.")
    ] = False,
) -> None:
    """See `EXPLAIN_HELP`."""
    from facetory.report.address import address_of, find, parse
    from facetory.report.explained import explain as explained
    from facetory.report.plans import NAME, read_plans
    from facetory.report.unpacked import results

    with results(root) as folder:
        plans = read_plans(folder / NAME)
        address = parse(cell)
        found = find({name: plan.cells for name, plan in plans.plans.items()}, address)
        if len(found) > 1:
            for own in found:
                typer.echo(str(address_of(address.table, own)))
            return
        about = explained(folder, plans, plans.plans[address.table], found[0])
    if as_json:
        typer.echo(about.model_dump_json(indent=1))
    else:
        _print(about)


def _print(about: Explanation) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)

    def heading(text: str) -> None:
        console.print(f"\n[bold]{escape(text)}[/]")

    console.print(f"[bold]{escape(about.address)}[/]\n{escape(about.source)}: {escape(about.title)}\n")
    for label, text in _facts(about).items():
        console.print(f"  [dim]{label:<10}[/] {escape(text)}")
    heading("Made from, nearest first" if about.artefacts else "No stage was run for it.")
    for path in about.missing:
        console.print(f"  {escape(path)}: missing")
    for own in about.artefacts:
        console.print(f"  {escape(own.path)}")
        for text in _artefact(own):
            console.print(f"    [dim]{escape(text)}[/]")
    for what, commands in about.commands.items():
        if commands:
            heading(f"{what[:1].upper()}{what[1:]}")
        for command in commands:
            console.print(f"  {escape(command)}")


def _facts(about: Explanation) -> dict[str, str]:
    """What is known of the number, by label; what is not known has no line."""
    from facetory.report.layout import interval, number

    cell, planned = about.cell, about.planned
    decimals = cell.decimals if cell else 2
    slot = f"{planned.slot_title or planned.slot}: {planned.dataset}" if planned.slot else ""
    ran = f" (here {planned.grid})" if planned.grid not in (None, planned.steps) else ""
    budget = (cell.budget if cell else planned.budget).items()
    facts = {
        "value": f"{number(cell.value, decimals)} {cell.unit}" if cell and cell.value is not None else "",
        "interval": f"{interval(cell)}, 95 %" if cell and interval(cell) else "",
        "n": str(cell.n) if cell and cell.n else "",
        "seeds": ", ".join(map(str, planned.seeds)),
        "published": f"{number(planned.published, decimals)} {planned.unit}"
        if planned.published is not None
        else "",
        "status": f"{cell.status} ({about.meaning})" if cell else about.meaning,
        "reason": (cell.reason if cell else planned.not_run) or "",
        "dataset": slot
        + (", a stand-in" if planned.stand_in else "")
        + (f", {planned.split}" if planned.split else ""),
        "trained on": planned.trained_on or "",
        "timesteps": f"{planned.steps}{ran}" if planned.steps else "",
        "had": ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in budget),
        "stored in": ", ".join(about.files),
    }
    return {label: text.strip() for label, text in facts.items() if text.strip()}


def _artefact(own: Artefact) -> list[str]:
    """What a manifest says, in lines."""
    made = [
        own.stage,
        own.status,
        own.device,
        None if own.seed is None else f"seed {own.seed}",
        None if own.duration_s is None else f"{own.duration_s:g} s",
        own.started,
    ]
    code = [
        f"code {own.code}" if own.code else None,
        f"commit {own.git_commit[:SHORT]}{'+changes' if own.git_commit.endswith('+changes') else ''}"
        if own.git_commit
        else None,
        ", ".join(f"{name} {version}" for name, version in own.versions.items()),
    ]
    inputs = [f"from {name} {sha256[:SHORT]}" for name, sha256 in own.inputs.items()]
    lines = [" · ".join(filter(None, made)), " · ".join(filter(None, code)), own.reason, *inputs]
    return [line for line in lines if line]
