"""The command `facetory`: the stages of the pipeline as verbs that a person can type too."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from facetory.cli import (
    adaptdiff,
    affect,
    affectdiff,
    archive,
    audit,
    backbone,
    claims,
    classifier,
    compare,
    data,
    doctor,
    edit,
    editor,
    emodc,
    explain,
    face_set,
    faces,
    identity,
    identity_model,
    latents,
    model,
    plan,
    predict,
    probe,
    reference,
    rehearse,
    report,
    separability,
    smc,
    status,
    tables,
    train,
    verification,
    verified,
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
app.command("claims", help=unwrapped(claims.CLAIMS_HELP))(claims.claims)
app.command("audit", help=unwrapped(audit.AUDIT_HELP))(audit.audit)
faces.app.command("set")(face_set.make)
emodc.app.command("export")(model.export)
emodc.app.command("card")(model.card)
smc.app.command("export")(editor.export)
adaptdiff.app.command("export")(identity_model.export)
app.command("status", help=unwrapped(status.STATUS_HELP))(status.status)
app.command("plan", help=unwrapped(plan.PLAN_HELP))(plan.plan)
app.command("doctor", help=unwrapped(doctor.DOCTOR_HELP))(doctor.doctor)
app.command("explain", help=unwrapped(explain.EXPLAIN_HELP))(explain.explain)
app.command("verify", help=unwrapped(verified.VERIFY_HELP))(verified.verify)
app.command("archive", help=unwrapped(archive.ARCHIVE_HELP))(archive.archive)
app.command("compare", help=unwrapped(compare.COMPARE_HELP))(compare.compare)
app.command("report", help=unwrapped(report.REPORT_HELP))(report.report)
app.command("reference", help=unwrapped(reference.REFERENCE_HELP))(reference.reference)


def run() -> None:
    """Run the command line; a `FacetoryError` is printed as a message, not as a traceback."""
    try:
        with traced({group.name for group in app.registered_groups if group.name}):
            app()
    except FacetoryError as error:
        Console(stderr=True).print(f"[bold red]Error:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(error.status)
