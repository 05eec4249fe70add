"""`facetory verify-faces`: how well a recogniser tells people apart, on benchmarks or on one's own faces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from facetory.cli.separability import alignment_of
from facetory.pipeline.files import FacetoryError

VERIFY_HELP = """Verify faces: are two pictures of one person?  Accuracy over ten folds, with its interval.

MODEL is the folder of a recogniser that facetory trained (face_recognizers/… of a scale's results), or the
name of an embedder: elasticface_arc, elasticface_cos, facenet, dlib, demo_context, demo_judge. --bin reads
insightface's verification sets through a parser that runs no code, after a look at their hash: lfw,
agedb_30, cfp_fp, calfw, cplfw. --pairs draws pairs from a folder of pictures per identity, with nobody in two
folds.

Examples:

  facetory verify-faces results/paper/face_recognizers/… --bin lfw.bin --bin cfp_fp.bin

  facetory verify-faces elasticface_cos --bin data/lfw.bin --device cuda

  facetory verify-faces dlib --pairs my_faces --folds 5
"""


def verify_faces(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A recogniser's folder, or an embedder.")],
    bins: Annotated[
        list[Path] | None, typer.Option("--bin", help="A .bin verification set; repeatable.")
    ] = None,
    sha256: Annotated[
        str | None, typer.Option(help="The hash of the one --bin, where it is not a released file.")
    ] = None,
    pairs: Annotated[
        list[Path] | None, typer.Option(help="A folder with a folder per identity; repeatable.")
    ] = None,
    count: Annotated[int, typer.Option(min=2, help="Pairs drawn from such a folder.")] = 6000,
    folds: Annotated[int, typer.Option(min=2, help="Folds of such pairs.")] = 10,
    alignment: Annotated[
        Literal["auto", "mtcnn", "mtcnn_unshifted", "none"],
        typer.Option(
            help="Turn such faces to the template; auto: not where `facetory faces` wrote the folder."
        ),
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of such pairs.")] = 0,
    px: Annotated[int, typer.Option(min=16, help="Side of the faces.")] = 112,
    batch_size: Annotated[int, typer.Option(min=1, help="Pairs in a forward pass.")] = 128,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="auto: a GPU where there is one.")
    ] = "auto",
    data_root: Annotated[Path, typer.Option(help="Where weights of embedders lie.")] = Path("data"),
) -> None:
    """See `VERIFY_HELP`."""
    from facetory.pipeline.gpu import lease, visible_gpus

    if not (bins or pairs):
        raise FacetoryError("Nothing to verify on: give --bin FILE or --pairs DIR, one at least.")
    if sha256 and len(bins or ()) != 1:
        raise FacetoryError("--sha256: is of one file. Give one --bin with it.")
    for path in bins or ():
        if not path.is_file():
            raise FacetoryError(f"{path}: there is no such file. Give a .bin verification set.")
    on_gpu = bool(visible_gpus()) if device == "auto" else device == "cuda"
    computed: Any = {
        "device": "cuda" if on_gpu else "cpu",
        "data_root": data_root,
        "batch_size": batch_size,
    }
    with lease(int(on_gpu)):
        from facetory.recognition.verify import verify_bin
        from facetory.recognition.verify_folder import verify_folder

        found = [verify_bin(model, path, sha256=sha256, px=px, **computed) for path in bins or ()]
        for folder in pairs or ():
            turned: Any = alignment_of(folder) if alignment == "auto" else alignment
            found.append(verify_folder(model, folder, count, folds, px, turned, seed, **computed))
    reports = [_report(model, each) for each in found]
    if as_json:
        print(json.dumps(reports, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        _show(reports)


def _report(model: str, own: Any) -> dict[str, Any]:
    import numpy as np

    estimate = own.accuracy.estimate
    return {
        "model": model,
        "benchmark": own.title,
        "pairs": own.pairs,
        "not_found": int(np.isnan(own.distance).sum()),
        "accuracy": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "sd_of_folds": own.accuracy.sd,
        "resampled": own.accuracy.resampled,
    }


def _show(reports: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    for heading in ("benchmark", "accuracy (%)", "95 % interval", "sd of folds", "pairs"):
        table.add_column(heading, justify="left" if heading == "benchmark" else "right")
    for own in reports:
        interval = f"{100 * own['low']:.2f} … {100 * own['high']:.2f}"
        values = (
            f"{100 * own['accuracy']:.2f}",
            interval,
            f"{100 * own['sd_of_folds']:.2f}",
            f"{own['pairs']:,}",
        )
        table.add_row(own["benchmark"], *values)
    Console().print(table)
    for own in reports:
        if own["not_found"]:
            print(f"{own['benchmark']}: {own['not_found']} pairs have a face that was not found: no match.")
    print(f"Intervals by bootstrap over {' or '.join(dict.fromkeys(own['resampled'] for own in reports))}.")
