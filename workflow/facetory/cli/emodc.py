"""`facetory emodc`: fine-tune the emotion diffusion classifier, evaluate it, and draw from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetory.cli.options import Checkpoints, Folder, Slot, SpecText, by_corruption, spec_of
from facetory.cli.timing import timing
from facetory.emodc.generate_spec import EmoDCGenerateSpec
from facetory.emodc.race_spec import RaceSpec
from facetory.emodc.spec import EmoDCEvalSpec, EmoDCTrainSpec
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.suggest import validated

app = typer.Typer(no_args_is_help=True, help="EmoDC: train a run under one loss, evaluate it, draw from it.")

LatentsPath = Annotated[Path, typer.Option("--latents", help="Cached latents of one split (safetensors).")]
TextPath = Annotated[Path, typer.Option("--text", help="Text embeddings of the dataset's prompts.")]
Backbone = Annotated[
    Path, typer.Option("--backbone", help="Backbone: its manifest, or its folder in diffusers' layout.")
]


@app.command("train")
def train(
    spec: SpecText,
    latents: LatentsPath,
    text: TextPath,
    backbone: Backbone,
    folder: Folder,
    checkpoints: Checkpoints,
) -> None:
    """Fine-tune the backbone's adapter under one loss; a run that diverges leaves its reason (exit 0)."""
    from facetory.emodc.train import train_emodc
    from facetory.pipeline.gpu import lease

    asked = spec_of(EmoDCTrainSpec, spec)
    with lease(int(asked.device == "cuda")):
        train_emodc(asked, latents, text, backbone, folder, checkpoints, asked.device)


@app.command("evaluate")
def evaluate(
    spec: SpecText,
    latents: Annotated[
        str, typer.Option(help="Cached latents of one split; {corruption} stands for each of the spec's.")
    ],
    text: TextPath,
    backbone: Backbone,
    folder: Folder,
    checkpoints: Annotated[
        Path | None, typer.Option(help="Folder for shards (default: in --folder).")
    ] = None,
    run: Annotated[Path | None, typer.Option(help="The run's folder; without it: zero-shot.")] = None,
    slot: Slot = "",
) -> None:
    """Record the noise-prediction error of every sample, timestep and class of a split, per corruption."""
    from facetory.emodc.evaluate import evaluate_emodc
    from facetory.pipeline.gpu import lease

    asked = spec_of(EmoDCEvalSpec, spec)
    if (asked.train is None) != (run is None):
        raise FacetoryError(
            "--run: the spec's `train` and the run's folder go together: give both, or neither (zero-shot)."
        )
    files = by_corruption(latents, asked.corruptions)
    with lease(int(asked.device == "cuda")):
        evaluate_emodc(asked, files, text, backbone, run, folder, checkpoints, asked.device, slot)


@app.command("generate")
def generate(
    spec: SpecText,
    run: Annotated[Path, typer.Option(help="The run's folder.")],
    text: TextPath,
    backbone: Backbone,
    folder: Folder,
) -> None:
    """Draw faces of every class from a trained run, at each guidance scale."""
    from facetory.emodc.generate import generate_emodc
    from facetory.pipeline.gpu import lease

    asked = spec_of(EmoDCGenerateSpec, spec)
    with lease(int(asked.device == "cuda")):
        generate_emodc(asked, run, text, backbone, folder, asked.device)


@app.command("race")
def race(
    spec: SpecText,
    latents: LatentsPath,
    text: TextPath,
    backbone: Backbone,
    folder: Folder,
    run: Annotated[Path, typer.Option(help="The run's folder.")],
) -> None:
    """Decide by sequential elimination and on the full grid; write how they agree and what each costs."""
    from facetory.emodc.race_stage import race_emodc
    from facetory.pipeline.gpu import lease

    asked = spec_of(RaceSpec, spec)
    with lease(int(asked.device == "cuda")):
        race_emodc(asked, latents, text, backbone, run, folder, asked.device)


@app.command("prompts")
def prompts(
    backbone: Annotated[Path, typer.Option(help="The backbone's manifest.")],
    dataset: Annotated[Path, typer.Option(help="The dataset's manifest, which lists its classes.")],
    output: Annotated[Path, typer.Option(help="The text file to write (safetensors).")],
) -> None:
    """Embed the class prompts, the non-class prompt and the null prompt of a dataset's classes."""
    from facetory.emodc.prompts import embed_prompts
    from facetory.pipeline.files import read_json
    from facetory.pipeline.spec import BackboneSpec

    about = read_json(backbone)
    encoder = validated(BackboneSpec, about["spec"], str(backbone)).text_encoder
    embed_prompts(read_json(dataset)["classes"], encoder, about["folder"], output)


app.command("time")(timing)
