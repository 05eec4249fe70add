"""`facetory affectdiff`: align the corpus, train Affect-Diff and its baselines, score them, ask "what if"."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetory.affectdiff.spec import CounterfactualSpec, LatencySpec, RecognizerSpec, ScoreSpec
from facetory.cli.options import Checkpoints, Folder, SpecText, spec_of
from facetory.data.mosei.spec import AlignmentSpec, CorpusSpec, ExtractionSpec
from facetory.pipeline.files import FacetoryError

app = typer.Typer(no_args_is_help=True, help="Affect-Diff: multimodal emotion by a causal-diffusion bridge.")

Corpus = Annotated[Path, typer.Option("--corpus", help="The corpus's manifest.")]
Segments = Annotated[Path, typer.Option("--segments", help="segments.safetensors of an alignment.")]
Recognizer = Annotated[Path, typer.Option("--recognizer", help="Folder of the trained model.")]
DataRoot = Annotated[Path, typer.Option("--data-root", help="Where datasets and weights are placed.")]


@app.command("corpus")
def corpus(spec: SpecText, folder: Folder, data_root: DataRoot = Path("data")) -> None:
    """Check the four `.csd` files of a placed corpus and record their hashes, or write a synthetic one."""
    from facetory.data.mosei.stage import index_corpus

    index_corpus(spec_of(CorpusSpec, spec), folder, data_root)


@app.command("extract")
def extract(spec: SpecText, corpus: Corpus, folder: Folder, data_root: DataRoot = Path("data")) -> None:
    """Extract features by a frozen foundation model, as a `.csd`."""
    from facetory.data.mosei.extract import extract_features
    from facetory.pipeline.gpu import lease

    asked = spec_of(ExtractionSpec, spec)
    with lease(int(asked.device == "cuda")):
        extract_features(asked, corpus, data_root, folder)


@app.command("align")
def align(
    spec: SpecText,
    corpus: Corpus,
    folder: Folder,
    extraction: Annotated[
        list[str] | None, typer.Option(help="modality=features.csd of an extraction; repeatable.")
    ] = None,
) -> None:
    """Align a corpus to words and segments; every dropped segment stands in the ledger."""
    from facetory.data.mosei.stage import align_corpus

    given = dict(_pair(text) for text in extraction or [])
    align_corpus(spec_of(AlignmentSpec, spec), corpus, given, folder)


@app.command("train")
def train(spec: SpecText, segments: Segments, folder: Folder, checkpoints: Checkpoints) -> None:
    """Train Affect-Diff or a baseline; a run that diverges leaves its reason (exit 0)."""
    from facetory.affectdiff.train import train_recognizer
    from facetory.pipeline.gpu import lease

    asked = spec_of(RecognizerSpec, spec)
    with lease(int(asked.device == "cuda")):
        train_recognizer(asked, segments, folder, checkpoints, asked.device)


@app.command("score")
def score(spec: SpecText, recognizer: Recognizer, segments: Segments, folder: Folder) -> None:
    """Record log-probabilities of the validation and test segments, clean and under Table V's conditions."""
    from facetory.affectdiff.score import score_recognizer
    from facetory.pipeline.gpu import lease

    asked = spec_of(ScoreSpec, spec)
    with lease(int(asked.device == "cuda")):
        score_recognizer(asked, recognizer, segments, folder, asked.device)


@app.command("latency")
def latency(
    spec: SpecText,
    recognizer: Annotated[list[Path], typer.Option(help="Folder of a trained model; repeatable.")],
    folder: Folder,
) -> None:
    """Time a forward pass of several models on a quiet machine."""
    from facetory.affectdiff.latency import time_recognizers
    from facetory.pipeline.gpu import lease

    asked = spec_of(LatencySpec, spec)
    with lease(int(asked.device == "cuda")):
        time_recognizers(asked, {path.name: path for path in recognizer}, folder, asked.device)


@app.command("counterfact")
def counterfact(spec: SpecText, recognizer: Recognizer, segments: Segments, folder: Folder) -> None:
    """Ask of test segments: what if the label, or one modality, had been another."""
    from facetory.affectdiff.counterfactual_stage import counterfact as ask
    from facetory.pipeline.gpu import lease

    asked = spec_of(CounterfactualSpec, spec)
    with lease(int(asked.device == "cuda")):
        ask(asked, recognizer, segments, folder, asked.device)


@app.command("export")
def export(
    recognizer: Recognizer,
    model: Annotated[Path, typer.Option(help="Folder that receives the model for `facetory affect`.")],
    scores: Annotated[Path | None, typer.Option(help="Folder of its scores, for the card.")] = None,
    stands_in_for: Annotated[str | None, typer.Option(help="The dataset that its corpus replaces.")] = None,
) -> None:
    """Write a trained model as a folder that people can use, with its card."""
    from facetory.affectdiff.export import export_recognizer

    export_recognizer(recognizer, scores, model, stands_in_for)


def _pair(text: str) -> tuple[str, Path]:
    modality, sign, path = text.partition("=")
    if not sign:
        raise FacetoryError(f"--extraction {text}: write modality=FILE, e.g. text=features.csd.")
    return modality, Path(path)
