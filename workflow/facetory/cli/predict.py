"""`facetory predict`: a trained classifier on any photograph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facetory.pipeline.files import FacetoryError

if TYPE_CHECKING:
    from facetory.emodc.predict import EmotionDiffusionClassifier

PREDICT_HELP = """Name the expression of every face in photographs.

MODEL is a folder that `facetory train` or `facetory emodc export` wrote, or a run's folder under results/.
Photographs may be jpg, png, webp and the like, rotated, grey or transparent; every face found gets a line. A
photograph without a face, or one that cannot be read, is named, the others go on, and the exit code is 1.

Examples:

  facetory predict models/mine photo.jpg

  facetory predict models/mine holiday/*.jpg --steps 1 --json > faces.json

  facetory predict models/mine cut_face.png --no-detect --steps 100
"""


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model's folder.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Photographs.")],
    steps: Annotated[
        str, typer.Option(help="Timesteps averaged: 1, 10, 100, or auto (as many as each face needs).")
    ] = "10",
    as_json: Annotated[bool, typer.Option("--json", help="JSON, with the errors of every class.")] = False,
    detect: Annotated[
        bool, typer.Option("--detect/--no-detect", help="Find faces, or take each picture as a cut face.")
    ] = True,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU where there is one.")] = "auto",
    data_root: Annotated[Path, typer.Option(help="Where fetched backbones lie (weights/).")] = Path("data"),
) -> None:
    """See `PREDICT_HELP`."""
    from facetory.emodc.grids import steps_of
    from facetory.pipeline.gpu import lease, visible_gpus

    asked = steps_of(steps)
    if device not in ("auto", "cpu", "cuda"):
        raise FacetoryError(f"--device {device}: choose cpu, cuda or auto.")
    on_gpu = bool(visible_gpus()) if device == "auto" else device == "cuda"
    with lease(int(on_gpu)):
        from facetory.emodc.predict import EmotionDiffusionClassifier

        classifier = EmotionDiffusionClassifier.load(
            model, "cuda" if on_gpu else "cpu", steps=asked, detect=detect, data_root=data_root
        )
        answers = [answer(classifier, path) for path in images]
    if as_json:
        print(json.dumps(report(classifier, answers), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        _show(classifier, answers)
    if any(item["error"] for item in answers):
        raise typer.Exit(1)


def answer(classifier: EmotionDiffusionClassifier, path: Path) -> dict[str, Any]:
    """What is found in one photograph: {"image", "error", "faces"}; errors are for the reader, not raised."""
    from facetory.data.pictures import pixels

    result: dict[str, Any] = {"image": str(path), "error": None, "faces": []}
    try:
        image = pixels(path)
    except FacetoryError as error:
        return result | {"error": str(error)}
    if classifier.detect:
        found = classifier.faces(image)
        places = [
            {"box": face.box.round(1).tolist(), "detection": round(face.probability, 4)} for face in found
        ]
        pictures = [face.picture for face in found]
    else:
        places, pictures = [{"box": None, "detection": None}], [image]
    if not pictures:
        return result | {
            "error": f"{path}: no face was found. If the picture is a cut face, add --no-detect."
        }
    faces = zip(places, classifier.describe(pictures), strict=True)
    return result | {"faces": [place | description for place, description in faces]}


def report(classifier: EmotionDiffusionClassifier, answers: list[dict[str, Any]]) -> dict[str, Any]:
    """What --json prints: the model, how the probabilities are made, and one entry a photograph."""
    about = classifier.about
    return {
        "model": about.name,
        "classes": list(about.classes),
        "steps": classifier.steps,
        "timesteps": list(classifier.timesteps),
        "beta": classifier.beta,
        "beta_from": about.calibration.how,
        "images": answers,
    }


def _show(classifier: EmotionDiffusionClassifier, answers: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    for heading in ("image", "face (x0 y0 x1 y1)", "class", "p", "all probabilities"):
        table.add_column(heading, overflow="fold")
    for item in answers:
        for face in item["faces"]:
            box = " ".join(f"{value:.0f}" for value in face["box"]) if face["box"] else "whole picture"
            ranked = sorted(face["probabilities"].items(), key=lambda pair: -pair[1])
            everything = "  ".join(f"{name} {value:.2f}" for name, value in ranked)
            table.add_row(item["image"], box, face["class"], f"{face['probability']:.2f}", everything)
    if table.rows:
        Console().print(table)
        print(f"p ∝ exp(−β · error); β: {classifier.about.calibration.how}")
    for item in answers:
        if item["error"]:
            Console(stderr=True).print(item["error"], style="red", markup=False, soft_wrap=True)
