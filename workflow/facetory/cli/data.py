"""`facetory data`: the catalogue of datasets, and the index that each of them becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetory.pipeline.files import FacetoryError

app = typer.Typer(
    no_args_is_help=True, help="Datasets: which there are, where to place them, how to index them."
)

INDEX_HELP = """Index a dataset: read its labels, check every image, write index, ledger and manifest.

Examples:

  facetory data index rafdb_basic --folder /tmp/rafdb --data-root data

  facetory data index fer2013 --folder /tmp/fer --limit train=500 --limit validation=100

  facetory data index my_faces --path ~/faces --label joyful=happiness --folder /tmp/my_faces
"""


@app.command(help=INDEX_HELP)
def index(
    dataset: Annotated[
        str | None, typer.Argument(help="Name from `facetory data list`, or your own.")
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where the index goes.")] = Path("index"),
    data_root: Annotated[Path, typer.Option(help="Where datasets are placed.")] = Path("data"),
    path: Annotated[Path | None, typer.Option(help="Your own folder with a folder per class.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="FOLDER=CLASS for your own folder.")] = None,
    limit: Annotated[list[str] | None, typer.Option(help="SPLIT=COUNT samples of each class.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the limit's choice.")] = 0,
    processes: Annotated[int, typer.Option(help="Processes that render an embedded dataset.")] = 1,
    spec: Annotated[
        str | None, typer.Option(help="All of it as a DatasetSpec in JSON, as the rules do.")
    ] = None,
) -> None:
    """See `INDEX_HELP`."""
    from facetory.data.stage import make_index
    from facetory.pipeline.config import DatasetSpec

    if (dataset is None) == (spec is None):
        raise FacetoryError("facetory data index: name a dataset, or give --spec (one of the two).")
    if spec is not None:
        request = DatasetSpec.parse(spec)
    else:
        per_class = {split: _count(split, number) for split, number in _pairs(limit, "--limit").items()}
        request = DatasetSpec(
            name=str(dataset),
            path=str(path.expanduser().resolve()) if path else None,
            labels=_pairs(label, "--label"),
            sizes={"per_class": per_class} if per_class else {},
            seed=seed,
        )
    make_index(request, data_root, folder, processes)


@app.command()
def fetch(
    dataset: Annotated[str, typer.Argument(help="Name from `facetory data list`.")],
    data_root: Annotated[Path, typer.Option(help="Where datasets are placed.")] = Path("data"),
) -> None:
    """Download the files of a dataset that anyone may download, checked by their sha256.

    The rest of a licensed set is yours to place; what is still missing is said.

    Example: facetory data fetch fer2013plus --data-root data
    """
    from facetory.data import download
    from facetory.data.catalogue import entry, placed, source_of

    wanted = entry(dataset)
    if not wanted.downloads:
        why = placed(wanted, data_root) or f"{dataset} is usable as it is"
        raise FacetoryError(f"{dataset} has no files to download: {why}.")
    for name, file in wanted.downloads.items():
        path = source_of(wanted, data_root) / name
        new = download.fetch(file.url, file.sha256, path)
        typer.echo(f"{path}: {'downloaded' if new else 'already there'}, sha256 as published")
    reason = placed(wanted, data_root)
    typer.echo(f"Not usable yet: {reason}" if reason else f"{dataset} is usable")


@app.command("list")
def list_datasets(
    data_root: Annotated[Path, typer.Option(help="Where datasets are placed.")] = Path("data"),
) -> None:
    """Show every dataset with its licence, where it goes, and whether it is placed.

    Example: facetory data list --data-root data
    """
    from rich.console import Console
    from rich.table import Table

    from facetory.data.catalogue import entries, placed

    reasons = {name: placed(dataset, data_root) for name, dataset in entries().items()}
    table = Table("dataset", "title", "licence", "usable", title=f"Datasets under {data_root}")
    for name, dataset in entries().items():
        table.add_row(name, dataset.title, dataset.licence, "no" if reasons[name] else "yes")
    console = Console()
    console.print(table)
    for reason in filter(None, reasons.values()):
        console.print(f"Not usable: {reason}", markup=False, soft_wrap=True)


def _pairs(options: list[str] | None, name: str) -> dict[str, str]:
    pairs = [option.partition("=") for option in options or ()]
    for key, equals, value in pairs:
        if not (key and equals and value):
            raise FacetoryError(f"{name} {key}{equals}{value}: write it as NAME=VALUE.")
    return {key: value for key, _, value in pairs}


def _count(split: str, number: str) -> int:
    if not number.isdigit():
        raise FacetoryError(f"--limit {split}={number}: the count must be a whole number.")
    return int(number)
