"""Options that several verbs share, and how they are read."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
import yaml
from pydantic import BaseModel

from facetory.pipeline.config import load_yaml
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.suggest import validated

Model = TypeVar("Model", bound=BaseModel)

SpecText = Annotated[str, typer.Option("--spec", help="The spec as JSON, or a file that holds it.")]
Folder = Annotated[Path, typer.Option("--folder", help="Folder that receives the results.")]
Checkpoints = Annotated[
    Path, typer.Option("--checkpoints", help="Folder for what a killed job resumes from.")
]
Configured = Annotated[
    list[str] | None,
    typer.Option("--config", help="KEY=VALUE over config.yaml, as for Snakemake, or another config.yaml."),
]
Slot = Annotated[str, typer.Option("--slot", help="The slot this evaluation fills.")]


def spec_of(model: type[Model], spec: str) -> Model:
    """A spec from its JSON, given as text or in a file."""
    text = spec if spec.lstrip().startswith("{") else Path(spec).read_text(encoding="utf-8")
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise FacetoryError(
            f"--spec: not valid JSON ({error}). Give a spec's JSON or a file of it."
        ) from error
    return validated(model, content, "--spec")


def configured(given: Sequence[str]) -> dict[str, Any]:
    """The configuration that ``--config`` describes, as for Snakemake: config.yaml, then each KEY=VALUE.

    A value without "=" is the path of another config.yaml.
    """
    paths = [Path(value) for value in given if "=" not in value]
    usual = Path("config.yaml")
    found: dict[str, Any] = {}
    for path in paths or [usual] * usual.is_file():
        found |= load_yaml(path)
    for value in given:
        key, equals, content = value.partition("=")
        if equals:
            found[key] = yaml.safe_load(content)
    return found


def unwrapped(text: str) -> str:
    """A help text whose paragraphs are one line each: the terminal's width wraps them."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text.strip())


def by_corruption(pattern: str, corruptions: tuple[str, ...]) -> dict[str, str]:
    """The latents file of each corruption, by a path in which {corruption} stands for it."""
    if len(corruptions) > 1 and "{corruption}" not in pattern:
        raise FacetoryError(
            f"{pattern} is one file, but the spec asks for {', '.join(corruptions)}. Write "
            "{corruption} in the path's place that names it."
        )
    return {name: pattern.replace("{corruption}", name) for name in corruptions}
