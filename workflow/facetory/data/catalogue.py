"""The datasets by name: licence, where to place them, and why one cannot be used (free of torch)."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from facetory.data.labels import CLASSES
from facetory.pipeline.config import load_yaml
from facetory.pipeline.suggest import unknown, validated

CATALOGUE = Path(__file__).with_name("catalogue.yaml")
LOADERS = Path(__file__).parent


class Download(BaseModel):
    """A file that anyone may download, pinned by its hash."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    sha256: str


class Entry(BaseModel):
    """One dataset of catalogue.yaml, where the fields are explained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    licence: str
    access: Literal["embedded", "account", "sign-up", "signed agreement", "own"]
    url: str = ""
    citation: str = ""
    place: str = ""
    layout: tuple[str, ...] = ()
    downloads: dict[str, Download] = {}
    counts: dict[Literal["train", "validation", "test"], int] = {}
    classes: Literal["basic", "compound", "none"]
    loader: str | None = None
    package: str | None = None
    labels: dict[str, str] = {}
    own_classes: tuple[str, ...] = ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """The class names in order; empty for a set without expression labels."""
        return self.own_classes or CLASSES.get(self.classes, ())


class Own(Protocol):
    """What a user's configuration says of a dataset of their own."""

    @property
    def path(self) -> Path: ...
    @property
    def labels(self) -> dict[str, str]: ...
    @property
    def licence(self) -> str: ...


@cache
def entries() -> dict[str, Entry]:
    """Every entry of catalogue.yaml."""
    content: dict[str, dict[str, Any]] = load_yaml(CATALOGUE)
    return {
        name: validated(Entry, {"name": name, **entry}, f"{CATALOGUE.name}: {name}")
        for name, entry in content.items()
    }


def entry(name: str, own: Mapping[str, Own] | None = None) -> Entry:
    """The named dataset, the user's own first; an unknown name is an error with its nearest neighbour."""
    if own and name in own:
        return own_entry(name, own[name].path, own[name].labels, own[name].licence)
    if name not in entries():
        raise unknown("dataset", name, [*entries(), *(own or ())], "datasets")
    return entries()[name]


def own_entry(
    name: str, path: Path | str, labels: Mapping[str, str], licence: str = "the user's own"
) -> Entry:
    """An entry for a user's folder with a folder per class; ``labels`` maps folder names to classes."""
    folder = entries()["folder"]
    return folder.model_copy(
        update={"name": name, "title": name, "licence": licence, "place": str(path), "labels": dict(labels)}
    )


def source_of(dataset: Entry, data_root: Path | str) -> Path:
    """Where a dataset lies: below the data root, or at its own absolute path."""
    return Path(data_root) / dataset.place


def placed(dataset: Entry, data_root: Path | str) -> str | None:
    """Why a dataset cannot be used, or None; a check of its layout that opens no file."""
    if dataset.loader is None or not _has_loader(dataset.loader):
        return f"{dataset.name}: this version has no loader for {dataset.title}"
    if dataset.package and importlib.util.find_spec(dataset.package) is None:
        return f"{dataset.name} needs the Python package {dataset.package}: pip install {dataset.package}"
    source = source_of(dataset, data_root)
    for item in dataset.layout:
        if not any((source / choice.strip()).exists() for choice in item.split("|")):
            expected = " or ".join(str(source / choice.strip()) for choice in item.split("|"))
            return f"{dataset.name} not placed: expected {expected} ({_how_to_get(dataset, item)})"
    return None


def missing(name: str, data_root: Path | str, own: Mapping[str, Own] | None = None) -> str | None:
    """Why the named dataset cannot be used, or None."""
    return placed(entry(name, own), data_root)


def stage_modules(dataset: Entry) -> tuple[str, ...]:
    """The modules whose code makes the dataset's index, as `provenance.code_of` takes them."""
    return ("data.stage", f"data.{dataset.loader}")


def _has_loader(name: str) -> bool:
    return LOADERS.joinpath(*name.split(".")).with_suffix(".py").is_file()


def _how_to_get(dataset: Entry, item: str) -> str:
    if item in dataset.downloads:
        return f"run: facetory data fetch {dataset.name}"
    if dataset.access == "own":
        return "a folder per class, optionally below train/, validation/ and test/"
    return f"{dataset.access}: {dataset.url}; licence: {dataset.licence}"
