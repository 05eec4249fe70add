"""Models as folders that people can use: model.json, files that cannot run code, their hashes, a card."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from facetory.pipeline.files import FacetoryError, read_json, sha256_of, write_json, write_text, written_aside
from facetory.pipeline.suggest import validated

ABOUT, CARD = "model.json", "README.md"
WHOLE = "Copy the whole model folder again, or export it again."


class Part(BaseModel):
    """A part of model.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class About(Part):
    """What every model.json holds; ``files`` maps the files beside it to their sha256."""

    format: str
    name: str
    licence: str
    facetory: str
    files: dict[str, str] = {}


Kind = TypeVar("Kind", bound=About)


def write_folder(folder: Path | str, about: About, files: Mapping[str, Path], card: str) -> None:
    """Write a model's folder: copies of ``files`` by their name there, the card, and model.json.

    model.json goes first and comes last, so that a killed export leaves no model.
    """
    folder = Path(folder)
    (folder / ABOUT).unlink(missing_ok=True)
    for name, source in files.items():
        with written_aside(folder / name) as aside:
            shutil.copyfile(source, aside)
    write_text(folder / CARD, card)
    hashes = {name: sha256_of(folder / name) for name in files}
    write_json(folder / ABOUT, about.model_copy(update={"files": hashes}).model_dump(mode="json"))


def read_folder(folder: Path | str, kind: type[Kind], names: Callable[[Kind], Iterable[str]]) -> Kind:
    """Read model.json and check the files that ``names`` says the model needs against their hashes.

    Another format, a file that is missing, or one that is not what it was, is a `FacetoryError`.
    """
    path = Path(folder) / ABOUT
    content, expected = read_json(path), kind.model_fields["format"].default
    if isinstance(content, dict) and content.get("format", expected) != expected:
        raise FacetoryError(
            f"{path}: the format is {content['format']!r}, this facetory reads {expected!r}. "
            "Use the version of facetory that the file names, or export the model again."
        )
    about = validated(kind, content, str(path))
    for name in names(about):
        check(path.parent / name, about.files.get(name), WHOLE)
    return about


def check(path: Path, sha256: str | None, remedy: str) -> None:
    """Compare a file with the hash that its model recorded."""
    if not path.is_file():
        raise FacetoryError(f"{path}: the file is missing. {remedy}")
    if (found := sha256_of(path)) != sha256:
        raise FacetoryError(
            f"{path}: sha256 is {found}, the model recorded {sha256}: the file is damaged or of another "
            f"model. {remedy}"
        )
