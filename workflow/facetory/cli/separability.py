"""`facetory separability`: how surely the people of any folder of faces are told apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from facetory.pipeline.files import FacetoryError, write_text

if TYPE_CHECKING:
    from facetory.adaptdiff.separation import Separation

SEPARABILITY_HELP = """Measure how surely a recogniser tells the people of a folder apart, and how they vary.

DIR has a folder of pictures per identity: one that `facetory faces` wrote, or any other, of synthetic or real
faces. Genuine scores are cosines of two pictures of one person, impostor scores of two people. EER and FMR
are errors (lower is better), FDR is the distance of both distributions (higher is better); the diversity
measures say what the scores do not. Intervals are 95 %, by bootstrap over people.

Examples:

  facetory separability DIR

  facetory separability DIR --judge dlib --identities 100 --images 10 --histogram scores.png

  facetory separability DIR --judge elasticface_cos --impostor-share 0.05 --json scores.json
"""
TITLES = {
    "eer": "EER",
    "fmr100": "FMR100",
    "fmr1000": "FMR1000",
    "fdr": "FDR",
    "genuine_mean": "genuine mean",
    "genuine_std": "genuine std",
    "impostor_mean": "impostor mean",
    "impostor_std": "impostor std",
}


def separability(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with a folder per identity.")],
    judge: Annotated[
        Literal["elasticface_cos", "elasticface_arc", "facenet", "dlib", "demo_judge", "demo_context"] | None,
        typer.Option(help="The recogniser; by default the first of elasticface_cos, facenet, dlib placed."),
    ] = None,
    identities: Annotated[int | None, typer.Option(min=2, help="Compare so many people; all.")] = None,
    images: Annotated[int | None, typer.Option(min=2, help="And so many images of each; all.")] = None,
    px: Annotated[int, typer.Option(min=16, help="Side of the faces that the judge sees.")] = 112,
    alignment: Annotated[
        Literal["auto", "mtcnn", "mtcnn_unshifted", "none"],
        typer.Option(help="Turn faces to the template; auto: not where `facetory faces` wrote the folder."),
    ] = "auto",
    impostor_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the later people that each is compared with.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of that choice and of the bootstrap.")] = 0,
    as_json: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write everything as JSON; - prints it.")
    ] = None,
    histogram: Annotated[
        Path | None, typer.Option(help="Draw both distributions: .png, with .pdf and .csv beside it.")
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="auto: a GPU where there is one.")
    ] = "auto",
    data_root: Annotated[Path, typer.Option(help="Where weights are placed.")] = Path("data"),
) -> None:
    """See `SEPARABILITY_HELP`."""
    from facetory.pipeline.gpu import lease, visible_gpus

    if histogram and histogram.suffix != ".png":
        raise FacetoryError(f"--histogram {histogram}: end the name in .png.")
    on_gpu = bool(visible_gpus()) if device == "auto" else device == "cuda"
    chosen: Any = judge or usable_judge(data_root)
    turned: Any = alignment_of(folder) if alignment == "auto" else alignment
    with lease(int(on_gpu)):
        from facetory.adaptdiff.separability import separability_of_folder

        own = (px, turned, identities, images, impostor_share, seed, "cuda" if on_gpu else "cpu", data_root)
        found = separability_of_folder(folder, chosen, *own)
    if histogram:
        draw(found, folder, histogram)
    told = json.dumps(
        {"folder": str(folder), "alignment": turned, **found.about}, indent=1, ensure_ascii=False
    )
    if as_json == "-":
        print(told)
        return
    if as_json:
        write_text(as_json, told + "\n")
    _show(found, folder)


def usable_judge(data_root: Path) -> str:
    """The first judge of photographs that can be used; none is a `FacetoryError`."""
    from facetory.recognition.judges_catalogue import missing_identity

    reasons = {name: missing_identity(name, data_root) for name in ("elasticface_cos", "facenet", "dlib")}
    for name, reason in reasons.items():
        if reason is None:
            return name
    raise FacetoryError(
        f"No judge can be used. {reasons['dlib']}. The project's own knows renders alone: --judge demo_judge."
    )


def alignment_of(folder: Path) -> str:
    """ "none" for a set that `facetory faces` wrote, whose faces are as they shall be; else "mtcnn"."""
    return "none" if (folder / "settings.json").is_file() and (folder / "metadata.csv").is_file() else "mtcnn"


def draw(found: Separation, folder: Path, path: Path) -> None:
    """Both distributions as <stem>.png, .pdf and .csv."""
    from facetory.adaptdiff.folder_figure import folder_histogram
    from facetory.report import drawing

    with drawing.style():
        figure, rows = folder_histogram(found.records, found.about, folder.name)
        drawing.save(figure, path.with_suffix(""), rows)


def _show(found: Separation, folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    about = found.about
    table = Table(box=None)
    for heading in ("measure", "value", "95 % interval"):
        table.add_column(heading, justify="left" if heading == "measure" else "right")
    for name, own in about["metrics"].items():
        if own["value"] is not None:
            bounds = None not in (own["low"], own["high"])
            interval = f"{own['low']:.3f} … {own['high']:.3f}" if bounds else "–"
            table.add_row(TITLES.get(name, name.replace("_", " ")), f"{own['value']:.3f}", interval)
    console = Console()
    console.print(table)
    print(
        f"{about['identities']} people, {about['faces']} faces of {folder}, judged by {about['judge']}: "
        f"{about['genuine']:,} genuine and {about['impostor']:,} impostor scores."
    )
    for name, own in about["metrics"].items():
        if own["value"] is None:
            print(f"No {TITLES.get(name, name.replace('_', ' '))}: {own['reason']}.")
    if about["unseen"]:
        print(f"Left out: {about['unseen']} pictures in which the judge finds no face.")
