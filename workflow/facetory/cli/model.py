"""`facetory emodc export` and `card`: a trained run as a model that people can use, and its card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunFolder = Annotated[Path, typer.Option("--run", help="The run's folder.")]
Evaluation = Annotated[Path | None, typer.Option(help="Folder of the run's evaluation.")]
Race = Annotated[Path | None, typer.Option(help="Folder of the run's race.")]
Text = Annotated[Path | None, typer.Option(help="Text embeddings of the dataset's prompts.")]
Backbone = Annotated[Path | None, typer.Option(help="The backbone's manifest, or its folder.")]
Faces = Annotated[Path | None, typer.Option(help="Manifest of the dataset's aligned faces.")]
Dataset = Annotated[Path | None, typer.Option(help="Manifest of the dataset's index.")]
StandsInFor = Annotated[
    str | None, typer.Option("--stands-in-for", help="The dataset that the training data replace.")
]


def export(
    run: RunFolder,
    model: Annotated[Path, typer.Option(help="Folder that receives the model.")],
    evaluation: Evaluation = None,
    race: Race = None,
    text: Text = None,
    backbone: Backbone = None,
    faces: Faces = None,
    dataset: Dataset = None,
    name: Annotated[str | None, typer.Option(help="The model's name; default: the run's.")] = None,
    stands_in_for: StandsInFor = None,
) -> None:
    """Write a trained run as a model's folder, and its card beside the run too.

    What is not named is looked for beside the run, as results/<scale>/ is laid out.

    Example: facetory emodc export --run results/demo/runs/… --model models/mine
    """
    from facetory.emodc.export import beside, opened, run_card
    from facetory.emodc.export import export as write

    asked = {"text": text, "backbone": backbone, "faces": faces, "dataset": dataset}
    made = beside(run, evaluation, race)._replace(
        **{key: path for key, path in asked.items() if path is not None}
    )
    opening = opened(made, name, stands_in_for=stands_in_for)
    write(opening, model)
    run_card(opening)
    typer.echo(model)


def card(
    run: RunFolder, evaluation: Evaluation = None, race: Race = None, stands_in_for: StandsInFor = None
) -> None:
    """Write the card of a run into its folder, from what lies beside it; that of a failed run says why."""
    from facetory.emodc.export import card_of_run

    typer.echo(card_of_run(run, evaluation, race, stands_in_for))
