"""`facetory adaptdiff export`: a trained generator and its pool as a model that people can use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from facetory.pipeline.files import FacetoryError


def export(
    generator: Annotated[Path, typer.Option(help="The generator's folder, under results/.")],
    identities: Annotated[Path, typer.Option(help="identities.safetensors of the pool.")],
    model: Annotated[Path, typer.Option(help="Folder that receives the model.")],
    backbone: Annotated[
        Path | None, typer.Option(help="The first stage's manifest; default: beside the generator.")
    ] = None,
    separation: Annotated[
        Path | None,
        typer.Option(help="Manifest of a separability of its faces: for the card, and for the settings."),
    ] = None,
    sampler: Annotated[
        Literal["ddpm", "ddim", "dpmpp", "unipc"] | None,
        typer.Option(help="What it samples by; default: as the separation's faces, else DDIM, 50 steps."),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of --sampler.")] = None,
    name: Annotated[str | None, typer.Option(help="The model's name; default: the generator's.")] = None,
    stands_in_for: Annotated[
        str | None, typer.Option("--stands-in-for", help="The dataset that the training data replace.")
    ] = None,
) -> None:
    """Write the folder of a generator of identities with its card, for `facetory faces`.

    Face set and dataset are looked for beside the generator, as results/<scale>/ is laid out.

    Example: facetory adaptdiff export --generator results/demo/generators/… --identities
    results/demo/pools/…/identities.safetensors --model models/mine
    """
    from facetory.adaptdiff.export import export_generator
    from facetory.adaptdiff.spec import GeneratorSpec, IdentitySampler
    from facetory.pipeline.files import read_json

    if (sampler is None) != (steps is None):
        raise FacetoryError("--sampler and --steps go together: give both, or neither.")
    if backbone is None:
        spec = GeneratorSpec.model_validate(read_json(generator / "manifest.json")["spec"])
        backbone = generator.resolve().parents[1] / "backbones" / spec.backbone / "manifest.json"
    chosen = IdentitySampler(method=sampler, steps=steps) if sampler and steps else None
    own: dict[str, Any] = {
        "separation": separation,
        "stands_in_for": stands_in_for,
        "name": name,
        "sampler": chosen,
    }
    export_generator(generator, identities, backbone, model, **own)
    typer.echo(model)
