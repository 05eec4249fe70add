"""The command `facetory`: the stages of the pipeline as verbs that a person can type too."""

from __future__ import annotations

import sys
from collections.abc import Callable

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
VERBS: dict[str, tuple[Callable[..., None], str]] = {
    "predict": (predict.predict, predict.PREDICT_HELP),
    "edit": (edit.edit, edit.EDIT_HELP),
    "affect": (affect.affect, affect.AFFECT_HELP),
    "separability": (separability.separability, separability.SEPARABILITY_HELP),
    "verify-faces": (verify_faces.verify_faces, verify_faces.VERIFY_HELP),
    "train": (train.train, train.TRAIN_HELP),
    "claims": (claims.claims, claims.CLAIMS_HELP),
    "audit": (audit.audit, audit.AUDIT_HELP),
    "status": (status.status, status.STATUS_HELP),
    "plan": (plan.plan, plan.PLAN_HELP),
    "doctor": (doctor.doctor, doctor.DOCTOR_HELP),
    "explain": (explain.explain, explain.EXPLAIN_HELP),
    "verify": (verified.verify, verified.VERIFY_HELP),
    "archive": (archive.archive, archive.ARCHIVE_HELP),
    "compare": (compare.compare, compare.COMPARE_HELP),
    "report": (report.report, report.REPORT_HELP),
    "reference": (reference.reference, reference.REFERENCE_HELP),
}
for name, (verb, text) in VERBS.items():
    app.command(name, help=unwrapped(text))(verb)
faces.app.command("set")(face_set.make)
emodc.app.command("export")(model.export)
emodc.app.command("card")(model.card)
smc.app.command("export")(editor.export)
adaptdiff.app.command("export")(identity_model.export)


def run() -> None:
    """Run the command line; a `FacetoryError` is printed as a message, not as a traceback."""
    try:
        with traced({group.name for group in app.registered_groups if group.name}):
            app()
    except FacetoryError as error:
        Console(stderr=True).print(f"[bold red]Error:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(error.status)
