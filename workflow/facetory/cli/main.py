"""The command `facetory`: the stages of the pipeline as verbs that a person can type too."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from facetory.cli import (
    adaptdiff,
    affect,
    affectdiff,
    backbone,
    classifier,
    data,
    edit,
    editor,
    emodc,
    face_set,
    faces,
    identity,
    identity_model,
    latents,
    model,
    predict,
    probe,
    rehearse,
    separability,
    smc,
    study,
    tables,
    train,
    verification,
    verify_faces,
)
from facetory.cli.options import unwrapped
from facetory.cli.trace import traced
from facetory.pipeline.files import FacetoryError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Stages of the facetory pipeline. Whole tables and figures are made by Snakemake: "
    "`snakemake --cores 2 emodc_table1`; `snakemake --list-target-rules` lists the targets.",
)
for name, module in {
    "data": data,
    "faces": faces,
    "backbone": backbone,
    "latents": latents,
    "emodc": emodc,
    "smc": smc,
    "affectdiff": affectdiff,
    "adaptdiff": adaptdiff,
    "verification": verification,
    "identity": identity,
    "classifier": classifier,
    "table": tables,
    "probe": probe,
    "rehearse": rehearse,
}.items():
    app.add_typer(module.app, name=name)
app.command("predict", help=unwrapped(predict.PREDICT_HELP))(predict.predict)
app.command("edit", help=unwrapped(edit.EDIT_HELP))(edit.edit)
app.command("affect", help=unwrapped(affect.AFFECT_HELP))(affect.affect)
app.command("separability", help=unwrapped(separability.SEPARABILITY_HELP))(separability.separability)
app.command("verify-faces", help=unwrapped(verify_faces.VERIFY_HELP))(verify_faces.verify_faces)
app.command("train", help=unwrapped(train.TRAIN_HELP))(train.train)
faces.app.command("set")(face_set.make)
emodc.app.command("export")(model.export)
emodc.app.command("card")(model.card)
smc.app.command("export")(editor.export)
adaptdiff.app.command("export")(identity_model.export)
app.command("status")(study.status)
app.command("verify")(study.verify)


def run() -> None:
    """Run the command line; a `FacetoryError` is printed as a message, not as a traceback."""
    try:
        with traced({group.name for group in app.registered_groups if group.name}):
            app()
    except FacetoryError as error:
        Console(stderr=True).print(f"[bold red]Error:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(error.status)
