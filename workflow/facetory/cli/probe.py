"""`facetory probe`: how hard a dataset is, by probes on its faces and on their latents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, help="How hard a dataset is for a linear probe and a small CNN.")


@app.command("run")
def run(
    faces: Annotated[Path, typer.Option(help="ledger.csv of a folder of aligned faces.")],
    train: Annotated[Path, typer.Option(help="Latents of the split the probes learn from.")],
    test: Annotated[Path, typer.Option(help="Latents of the split they are scored on.")],
    output: Annotated[Path, typer.Option(help="The file to write (JSON).")],
    px: Annotated[int, typer.Option(help="Side to which faces are resized.")] = 64,
    seed: Annotated[int, typer.Option(help="Seed of the CNN's weights, batches and augmentation.")] = 0,
) -> None:
    """Train a linear probe and a small CNN on the faces and on their latents; write their accuracies."""
    from facetory.recognition.probes import ProbeSpec, probe

    probe(faces, train, test, output, ProbeSpec(px=px, seed=seed))


@app.command("show")
def show(
    files: Annotated[
        list[Path] | None, typer.Argument(help="What `facetory probe run` wrote, a file a dataset.")
    ] = None,
) -> None:
    """Print the accuracies of some datasets as a table, in per cent with their 95 % intervals over people."""
    from rich.console import Console
    from rich.table import Table

    from facetory.pipeline.files import FacetoryError, read_json

    if not files:
        raise FacetoryError(
            "facetory probe show: no dataset was probed. `facetory status` says what cannot run."
        )
    table = Table(title="Accuracy (%) on the test split [95 % interval over people]")
    table.add_column("dataset", no_wrap=True)
    for heading in ("train", "test", "chance", "majority", "input", "linear", "cnn"):
        table.add_column(heading, justify="left" if heading == "input" else "right")
    for about in map(read_json, files):
        scores = {(result["input"], result["probe"]): _percent(result) for result in about["results"]}
        counts = (str(about["training_images"]), str(about["test_images"]))
        guesses = (f"{100 * about[name]:.1f}" for name in ("chance", "majority"))
        heads = [(about["dataset"], *counts, *guesses), ("",) * 5]
        for head, name in zip(heads, ("pixels", "latents"), strict=True):
            table.add_row(*head, name, scores[name, "linear"], scores[name, "cnn"])
    Console().print(table)


def _percent(result: dict[str, Any]) -> str:
    """An accuracy with its interval, where it has one."""
    accuracy, *interval = (result[name] for name in ("accuracy", "ci_low", "ci_high"))
    if None in interval:
        return f"{100 * accuracy:.1f}"
    return f"{100 * accuracy:.1f} [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"
