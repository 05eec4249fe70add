"""`facetory adaptdiff`: contexts, the generator, identities, synthetic faces, their separability."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetory.adaptdiff.spec import (
    AuditSpec,
    ContextSpec,
    GeneratorSpec,
    IdentitiesSpec,
    SeparabilitySpec,
    SynthesisSpec,
)
from facetory.cli.options import Checkpoints, Folder, SpecText, spec_of

app = typer.Typer(
    no_args_is_help=True, help="AdaptDiff: adaptive negative guidance for identity-conditioned diffusion."
)

Faces = Annotated[Path, typer.Option("--faces", help="The manifest of a face set.")]
Generator = Annotated[Path, typer.Option("--generator", help="Folder of the trained generator.")]
DataRoot = Annotated[Path, typer.Option("--data-root", help="Where datasets and weights are placed.")]


@app.command("contexts")
def contexts(spec: SpecText, faces: Faces, folder: Folder, data_root: DataRoot = Path("data")) -> None:
    """Embed every face of a set, and its mirror image: the contexts that a generator learns under."""
    from facetory.adaptdiff.contexts import embed_contexts
    from facetory.pipeline.gpu import lease

    asked = spec_of(ContextSpec, spec)
    with lease(int(asked.device == "cuda")):
        embed_contexts(asked, faces, folder, asked.device, data_root)


@app.command("train")
def train(
    spec: SpecText,
    folder: Folder,
    checkpoints: Checkpoints,
    latents: Annotated[Path | None, typer.Option(help="Cached latents (safetensors).")] = None,
    contexts: Annotated[Path | None, typer.Option(help="contexts.safetensors of the same faces.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="The authors' checkpoint, taken over as it is.")
    ] = None,
) -> None:
    """Train the identity-conditioned generator; a run that diverges leaves its reason (exit 0)."""
    from facetory.adaptdiff.train import train_generator
    from facetory.pipeline.gpu import lease

    asked = spec_of(GeneratorSpec, spec)
    with lease(int(asked.device == "cuda")):
        train_generator(asked, latents, contexts, folder, checkpoints, asked.device, weights)


@app.command("identities")
def identities(spec: SpecText, folder: Folder) -> None:
    """Draw synthetic identities and find the negative partners of each."""
    from facetory.adaptdiff.identities import draw_identities

    draw_identities(spec_of(IdentitiesSpec, spec), folder)


@app.command("synthesise")
def synthesise(
    spec: SpecText,
    generator: Generator,
    identities: Annotated[Path, typer.Option(help="identities.safetensors of the pool.")],
    backbone: Annotated[Path, typer.Option(help="The first stage's manifest.")],
    folder: Folder,
    shard: Annotated[str, typer.Option(help="Which part of the identities, e.g. 1/4.")] = "1/1",
) -> None:
    """Draw one shard of a set's identities, decode and align them; killed, it goes on where it stopped."""
    from facetory.adaptdiff.synthesis import synthesise as draw
    from facetory.pipeline.gpu import lease

    asked = spec_of(SynthesisSpec, spec)
    with lease(int(asked.device == "cuda")):
        draw(asked, generator, identities, backbone, folder, shard, asked.device)


@app.command("gather")
def gather(
    spec: SpecText,
    shard: Annotated[list[Path], typer.Option(help="Folder of a shard; repeatable.")],
    folder: Folder,
) -> None:
    """Gather the shards of a set: the first complete identities, and a contact sheet."""
    from facetory.adaptdiff.gather import gather as collect

    collect(spec_of(SynthesisSpec, spec), shard, folder)


@app.command("audit")
def audit(
    spec: SpecText,
    faces: Faces,
    contexts: Annotated[Path, typer.Option(help="contexts.safetensors of the generator's training faces.")],
    folder: Folder,
    data_root: DataRoot = Path("data"),
) -> None:
    """Find the nearest training person of each synthetic identity."""
    from facetory.adaptdiff.audit import audit_leakage
    from facetory.pipeline.gpu import lease

    asked = spec_of(AuditSpec, spec)
    with lease(int(asked.device == "cuda")):
        audit_leakage(asked, faces, contexts, folder, asked.device, data_root)


@app.command("separability")
def separability(spec: SpecText, faces: Faces, folder: Folder, data_root: DataRoot = Path("data")) -> None:
    """Record genuine and impostor scores of a face set, EER, FMR100, FMR1000, FDR and diversity."""
    from facetory.adaptdiff.separability import measure_separability
    from facetory.pipeline.gpu import lease

    asked = spec_of(SeparabilitySpec, spec)
    with lease(int(asked.device == "cuda")):
        measure_separability(asked, faces, folder, asked.device, data_root)
