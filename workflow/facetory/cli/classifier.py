"""`facetory classifier`: the discriminative classifiers that EmoDC is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetory.cli.options import Checkpoints, Folder, Slot, SpecText, by_corruption, spec_of
from facetory.pipeline.files import FacetoryError
from facetory.recognition.spec import ClassifierEvalSpec, ClassifierSpec

app = typer.Typer(
    no_args_is_help=True, help="Discriminative classifiers: train one, evaluate it, count its parameters."
)

Faces = Annotated[Path | None, typer.Option(help="ledger.csv of a folder of aligned faces.", exists=True)]


@app.command("train")
def train(
    spec: SpecText,
    folder: Folder,
    checkpoints: Checkpoints,
    faces: Faces = None,
    latents: Annotated[
        Path | None, typer.Option(help="Cached latents of the training split.", exists=True)
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="The authors' checkpoint; nothing is trained.", exists=True)
    ] = None,
) -> None:
    """Train a classifier on faces or on latents; a run that diverges leaves its reason (exit 0)."""
    from facetory.pipeline.gpu import lease
    from facetory.recognition.train import train_classifier

    asked = spec_of(ClassifierSpec, spec)
    source = weights or _source(asked, faces, latents)
    with lease(int(asked.device == "cuda")):
        train_classifier(asked, source, folder, checkpoints, asked.device, weights)


@app.command("evaluate")
def evaluate(
    spec: SpecText,
    classifier: Annotated[Path, typer.Option(help="The trained classifier's folder.")],
    folder: Folder,
    faces: Faces = None,
    latents: Annotated[
        str | None,
        typer.Option(help="Cached latents of one split; {corruption} stands for each of the spec's."),
    ] = None,
    corrupted: Annotated[
        str | None,
        typer.Option(
            help="ledger.csv of faces corrupted before they were aligned; {corruption} stands for each."
        ),
    ] = None,
    slot: Slot = "",
) -> None:
    """Record −log p(c|x) of every sample and class of a split, per corruption."""
    from facetory.pipeline.gpu import lease
    from facetory.recognition.evaluate import evaluate_classifier

    asked = spec_of(ClassifierEvalSpec, spec)
    source = _source(asked.train, faces, latents)
    ledgers = by_corruption(corrupted, asked.corruptions) if corrupted else None
    read = by_corruption(source, asked.corruptions) if isinstance(source, str) else source
    with lease(int(asked.device == "cuda")):
        evaluate_classifier(asked, classifier, read, folder, asked.device, slot, ledgers)


@app.command("parameters")
def parameters(
    classes: Annotated[int, typer.Option(help="Number of classes.")] = 7,
) -> None:
    """Print each network's number of parameters beside the published one.

    What the authors' own code counts may include parts that its forward pass never calls; ours has none.
    """
    from rich.console import Console
    from rich.table import Table

    from facetory.recognition.networks import counts

    table = Table(title=f"Parameters (millions), {classes} classes")
    for heading in ("network", "published", "authors' code", "ours", "ours, small"):
        table.add_column(heading, justify="left" if heading == "network" else "right")
    for name, count in counts(classes).items():
        published = f"{count.published / 1e6:.1f}" if count.published else "–"
        others = (f"{number / 1e6:.2f}" if number else "–" for number in count[1:])
        table.add_row(name, published, *others)
    Console().print(table)


def _source(spec: ClassifierSpec, faces: Path | None, latents: Path | str | None) -> Path | str:
    """What the spec's view is read from: the one of two options that it needs."""
    source, other = (latents, faces) if spec.view == "latents" else (faces, latents)
    if source is None or other is not None:
        raise FacetoryError(
            f"--{spec.view}: the spec's view is {spec.view}: give --{spec.view}, and not the other."
        )
    return source
