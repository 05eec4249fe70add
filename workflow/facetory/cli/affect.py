"""`facetory affect`: the emotion of one utterance, and what the answer rests on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from facetory.data.mosei.spec import MODALITIES
from facetory.pipeline.files import FacetoryError

if TYPE_CHECKING:
    from facetory.affectdiff.predict import AffectRecognizer
    from facetory.affectdiff.recognition import Counterfactual, Recognition

AFFECT_HELP = """Name the emotion of one utterance from its words, voice and face, or from any of them.

MODEL is a folder that `facetory affectdiff export` wrote. A stream is a table of raw features, a row a word:
.csv, .npy, .npz or .safetensors; the model's README names the features. Empty or "nan" cells were not
measured. Shown are the probabilities, what each modality adds to the answer (Shapley values of its log-odds),
and the weights of the model's own graph. --counterfactual asks what would have to change for another emotion.

Examples:

  facetory affect models/mosei --text text.csv

  facetory affect models/mosei --text text.csv --audio audio.csv --video video.npy --json

  facetory affect models/mosei --features utterance.safetensors --counterfactual Sad

  facetory affect models/minilm --words "I am so happy today"
"""
ALONE = "the words were read without what was said before and after, which training had"


def affect(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model's folder.")],
    text: Annotated[Path | None, typer.Option(help="Features of the words.")] = None,
    audio: Annotated[Path | None, typer.Option(help="Features of the voice.")] = None,
    video: Annotated[Path | None, typer.Option(help="Features of the face.")] = None,
    features: Annotated[
        Path | None, typer.Option(help="One .npz or .safetensors with arrays text, audio, video (any).")
    ] = None,
    words: Annotated[
        str | None, typer.Option(help="What was said, for models that read a language model's features.")
    ] = None,
    counterfactual: Annotated[
        str | None, typer.Option(metavar="LABEL", help="What would have to change for this emotion?")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="auto: a GPU where there is one.")
    ] = "auto",
    data_root: Annotated[Path, typer.Option(help="Where weights of language models lie.")] = Path("data"),
) -> None:
    """See `AFFECT_HELP`."""
    from facetory.pipeline.gpu import lease, visible_gpus

    on_gpu = bool(visible_gpus()) if device == "auto" else device == "cuda"
    with lease(int(on_gpu)):
        from facetory.affectdiff.predict import AffectRecognizer
        from facetory.affectdiff.stream_files import read_streams
        from facetory.affectdiff.words import features_of

        spoken: list[str] = []
        recognizer = AffectRecognizer.load(model, "cuda" if on_gpu else "cpu")
        streams = read_streams(
            features, {"text": text, "audio": audio, "video": video}, recognizer.about.streams
        )
        if words is not None:
            if "text" in streams:
                raise FacetoryError("--words: the text's features are given too. Give one of them.")
            streams["text"], spoken = features_of(words, recognizer.about, data_root, recognizer.device)
        if not streams:
            raise FacetoryError("no features: give --text, --audio, --video or --features, one at least.")
        given = [streams.get(modality) for modality in MODALITIES]
        found = recognizer.predict(*given)
        other = recognizer.counterfactual(*given, label=counterfactual) if counterfactual else None
    if as_json:
        print(json.dumps(report(recognizer, found, other), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        _show(recognizer, found, other, spoken, max(map(len, streams.values())))


def report(recognizer: AffectRecognizer, found: Recognition, other: Counterfactual | None) -> dict[str, Any]:
    """What --json prints: the answer, what it rests on, and the counterfactual, if one was asked for."""
    return {
        "model": recognizer.about.name,
        "classes": list(recognizer.classes),
        "label": found.label,
        "probabilities": found.probabilities,
        "attribution": found.attribution,
        "log_odds_of_nothing": found.log_odds_of_nothing,
        "graph": found.graph,
        "present": list(found.present),
        "notes": list(found.notes),
        "counterfactual": other
        and {
            "target": other.target,
            "reached": other.reached,
            "roundtrip": other.roundtrip,
            "after": other.after,
            "distance": other.distance,
            "by_row": other.by_row.tolist(),
        },
    }


def _show(
    recognizer: AffectRecognizer,
    found: Recognition,
    other: Counterfactual | None,
    words: list[str],
    rows: int,
) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(box=None)
    table.add_column("emotion" if recognizer.about.training.task == "emotion" else "sentiment")
    headings = ["p", *(("p, round trip", f"p, as {other.target}") if other else ())]
    for heading in headings:
        table.add_column(heading, justify="right")
    columns = [found.probabilities, *((other.roundtrip, other.after) if other else ())]
    for name in sorted(recognizer.classes, key=lambda name: -found.probabilities[name]):
        table.add_row(name, *(f"{column[name]:.2f}" for column in columns))
    console.print(table)
    parts = Table(box=None)
    for heading in ("modality", f"adds to {found.label} (nats)", "graph's weight"):
        parts.add_column(heading, justify="left" if heading == "modality" else "right")
    for name, share in found.attribution.items():
        weight = f"{found.graph[name]:.2f}" if found.graph else "–"
        parts.add_row(name, f"{share:+.2f}" if name in found.present else "not given", weight)
    console.print(parts)
    if other:
        name = max(other.after, key=other.after.__getitem__)
        said = f"calls it {name}" if other.reached else f"still calls it {name}"
        print(f"Resampled under {other.target}, the latent moves by {other.distance:.2f}, most at")
        print(f"{_most(other, words, rows)}, and the model {said}.")
    notes = [*found.notes, *([ALONE] if words else [])]
    for note in notes:
        print(f"Note: {note}.")
    print("The model says which label annotators would choose. It does not know what anyone feels.")


def _most(other: Counterfactual, words: list[str], rows: int, count: int = 3) -> str:
    """Which of the rows that were given the latent moves most at, in order, by word where words are known."""
    largest = sorted((-other.by_row[:rows]).argsort(kind="stable")[:count].tolist())
    return ", ".join(f"“{words[row]}”" if row < len(words) else f"row {row + 1}" for row in largest)
