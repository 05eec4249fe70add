"""`facetory verification`: train face recognisers, read benchmarks, score one on the other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetory.cli.options import Checkpoints, Folder, SpecText, spec_of
from facetory.recognition.face_spec import BenchmarkSpec, FaceRecognizerSpec, VerificationSpec

app = typer.Typer(no_args_is_help=True, help="Face recognition: training and verification benchmarks.")

DataRoot = Annotated[Path, typer.Option("--data-root", help="Where datasets and weights are placed.")]


@app.command("train")
def train(
    spec: SpecText,
    faces: Annotated[Path, typer.Option(help="The manifest of the face set that is learnt from.")],
    folder: Folder,
    checkpoints: Checkpoints,
    benchmark: Annotated[
        list[Path] | None, typer.Option(help="Folder of a benchmark that chooses the epoch, as released.")
    ] = None,
) -> None:
    """Train a face recogniser by CosFace; a run that diverges leaves its reason (exit 0)."""
    from facetory.pipeline.gpu import lease
    from facetory.recognition.face_train import train_face_recognizer

    asked = spec_of(FaceRecognizerSpec, spec)
    with lease(int(asked.device == "cuda")):
        train_face_recognizer(asked, faces, folder, checkpoints, asked.device, benchmark or [])


@app.command("benchmark")
def benchmark(
    spec: SpecText,
    source: Annotated[Path, typer.Option(help="The .bin file, a face set's manifest, or IJB-C's folder.")],
    folder: Folder,
) -> None:
    """Read a benchmark, or draw the pairs of one from a face set."""
    from facetory.recognition.benchmark import make_benchmark

    make_benchmark(spec_of(BenchmarkSpec, spec), folder, source)


@app.command("score")
def score(
    spec: SpecText,
    benchmark: Annotated[Path, typer.Option(help="Folder of the benchmark.")],
    folder: Folder,
    recogniser: Annotated[Path | None, typer.Option(help="Folder of a trained recogniser.")] = None,
    data_root: DataRoot = Path("data"),
) -> None:
    """Score a recogniser, or an embedder that the spec names, on a benchmark."""
    from facetory.pipeline.gpu import lease
    from facetory.recognition.verify import verify

    asked = spec_of(VerificationSpec, spec)
    with lease(int(asked.device == "cuda")):
        verify(asked, recogniser, benchmark, folder, asked.device, data_root)
