"""`facetory edit`: the face in a photograph with other expressions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from facetory.pipeline.files import FacetoryError

if TYPE_CHECKING:
    from facetory.smc.counterfactual import Counterfactual

EDIT_HELP = """Show the face in a photograph with other expressions, as a classifier calls them.

MODEL is a folder that `facetory smc export` wrote. The strip shows the face, what the autoencoder alone makes
of it, and a picture for each expression, with the guide's probabilities underneath. Every file written says
in its metadata that it is synthetic. A photograph without a face is an error; a cut face needs --no-detect.

Examples:

  facetory edit models/faces photo.jpg --emotion happy sad angry --out strip.png

  facetory edit models/faces photo.jpg --emotion happy --particles 50 --seed 1

  facetory edit models/faces group.jpg --emotion surprised --face 2 --whole --out-dir edited

  facetory edit models/faces cut_face.png --no-detect --emotion happy --json
"""


def edit(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model's folder.")],
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="The photograph.")],
    more: Annotated[list[str] | None, typer.Argument(metavar="EMOTION", help="More expressions.")] = None,
    emotion: Annotated[
        list[str] | None,
        typer.Option(help="Expressions: words after one another, commas between, or the option again."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The strip, .png or .jpg; default: PHOTO_edited.png here.")
    ] = None,
    out_dir: Annotated[
        Path | None, typer.Option(help="Folder for the single pictures: PHOTO_EXPRESSION.png.")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Write single pictures with the face pasted back into its place.")
    ] = False,
    particles: Annotated[int | None, typer.Option(help="Particles; default: the model's.")] = None,
    steps: Annotated[
        int | None, typer.Option(help="Inference steps of the whole diffusion; default: the model's.")
    ] = None,
    noise_strength: Annotated[
        float | None, typer.Option(help="0 … 1: how far the face is noised, so how much may change.")
    ] = None,
    guidance_scale: Annotated[
        float | None, typer.Option(help="How strictly the guide selects (the exponent γ).")
    ] = None,
    sampler: Annotated[
        Literal["paper", "code", "corrected"] | None,
        typer.Option(help="Reading of the paper's algorithm; default: the model's."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all draws.")] = 0,
    face: Annotated[
        int | None, typer.Option(min=1, help="Which face, counted from the left; default: the largest.")
    ] = None,
    detect: Annotated[
        bool, typer.Option("--detect/--no-detect", help="Find the face, or take the picture as a cut face.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print probabilities and traces as JSON.")] = False,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="auto: a GPU where there is one.")
    ] = "auto",
    data_root: Annotated[Path, typer.Option(help="Where fetched autoencoders lie.")] = Path("data"),
) -> None:
    """See `EDIT_HELP`."""
    from facetory.data.marks import checked
    from facetory.pipeline.gpu import lease, visible_gpus

    asked = expressions([*(emotion or ()), *(more or ())])
    strip_path = out or (None if out_dir or as_json else Path(f"{photo.stem}_edited.png"))
    if strip_path and checked(strip_path).resolve() == photo.resolve():
        raise FacetoryError(f"--out {out}: is the photograph itself. Give the strip another name.")
    folder = out_dir or (strip_path or Path()).parent if out_dir or whole else None
    on_gpu = bool(visible_gpus()) if device == "auto" else device == "cuda"
    with lease(int(on_gpu)):
        from facetory.smc.editor import CounterfactualEditor

        editor = CounterfactualEditor.load(model, "cuda" if on_gpu else "cpu", data_root)
        results = editor.edits(
            photo,
            list(dict.fromkeys(map(editor.target, asked))),
            face=None if face is None else face - 1,
            detect=detect,
            sampler=sampler,
            seed=seed,
            particles=particles,
            inference_steps=steps,
            noise_strength=noise_strength,
            guidance_scale=guidance_scale,
            progress=True,
        )
    files = written(results, photo, strip_path, folder, whole)
    if as_json:
        print(json.dumps(report(results, photo, files), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        _show(results, files)


def expressions(words: Sequence[str]) -> list[str]:
    """The expressions asked for, each once: words, some of which may hold several between commas."""
    found = dict.fromkeys(part.strip() for word in words for part in word.split(","))
    found.pop("", None)
    if not found:
        raise FacetoryError("--emotion: name at least one expression, e.g. --emotion happy sad.")
    return list(found)


def written(
    results: Sequence[Counterfactual], photo: Path, strip_path: Path | None, folder: Path | None, whole: bool
) -> list[str]:
    """Write strip and single pictures, all marked; returns their paths, the strip's first."""
    from facetory.data.marks import write_marked
    from facetory.smc.counterfactual import mark_of
    from facetory.smc.strip import strip

    files = []
    if strip_path:
        write_marked(strip_path, strip(results), mark_of(results))
        files.append(str(strip_path))
    if folder:
        for result in results:
            path = folder / f"{photo.stem}_{result.target}.png"
            result.save(path, whole)
            files.append(str(path))
    return files


def report(results: Sequence[Counterfactual], photo: Path, files: Sequence[str]) -> dict[str, Any]:
    """What --json prints: the model, the face, the sampler, and one entry an expression."""
    first = results[0]
    return {
        "model": first.model,
        "image": str(photo),
        "box": first.box.round(1).tolist(),
        "detection": first.face and round(first.face.probability, 4),
        "sampler": first.sampler.model_dump(),
        "seed": first.seed,
        "timesteps": list(first.trace.timesteps),
        "before": first.before,
        "reconstructed": first.reconstructed,
        "edits": [
            {
                "target": result.target,
                "after": result.after,
                "scored_steps": list(result.trace.scored_steps),
                "ess": result.trace.ess.tolist(),
                "unique_roots": result.trace.unique_roots.tolist(),
            }
            for result in results
        ],
        "files": list(files),
    }


def _show(results: Sequence[Counterfactual], files: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    for heading in ("expression", "p before", "p reconstructed", "p after", "initial particles left"):
        table.add_column(heading, justify="left" if heading == "expression" else "right")
    for own in results:
        shares = (f"{p[own.target]:.2f}" for p in own.shares)
        left = f"{own.trace.unique_roots[-1]} of {own.sampler.particles}" if len(own.trace.ess) else "–"
        table.add_row(own.target, *shares, left)
    Console().print(table)
    print("p: the guide's probability, which the edit was chosen by; the model's card has a judge's numbers.")
    for path in files:
        print(path)
