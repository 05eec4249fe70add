"""`facetory smc export`: a trained diffusion model and its guide as an editor that people can use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def export(
    diffusion: Annotated[Path, typer.Option(help="The diffusion model's folder, under results/.")],
    classifier: Annotated[Path, typer.Option(help="The guide's folder.")],
    model: Annotated[Path, typer.Option(help="Folder that receives the model.")],
    measures: Annotated[
        list[Path] | None, typer.Option(help="Folder of what a judge measured, for the card; repeatable.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The model's name; default: the diffusion model's.")
    ] = None,
    sampler: Annotated[
        Literal["paper", "code", "corrected"] | None,
        typer.Option(help="What it edits by; default: as the first measures did."),
    ] = None,
    stands_in_for: Annotated[
        str | None, typer.Option("--stands-in-for", help="The dataset that the training data replace.")
    ] = None,
) -> None:
    """Write an editor's folder with its card, for `facetory edit`.

    The autoencoder, the faces and the datasets are looked for beside the diffusion model, as results/<scale>/
    is laid out.

    Example: facetory smc export --diffusion results/demo/diffusions/… --classifier
    results/demo/classifiers/… --model models/mine
    """
    from facetory.smc.export import beside, opened
    from facetory.smc.export import export as write

    write(opened(beside(diffusion, classifier, measures or ()), name, sampler, stands_in_for), model)
    typer.echo(model)
