"""Any folder of faces with a folder per class, with or without folders for train, validation and test."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from facetory.data import labels
from facetory.data.catalogue import Entry
from facetory.data.images import IMAGE_SUFFIXES
from facetory.data.index import Odd, Sample
from facetory.data.listing import Choose, Found, Listing, grouped, ranking
from facetory.pipeline.files import FacetoryError

SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
TEST_FRACTION = 0.2


def read(entry: Entry, source: Path, folder: Path, choose: Choose) -> Listing:
    """Samples of ``source/{split}/{class}/…`` or ``source/{class}/…``, in the order of their paths.

    Names of class folders are mapped by ``entry.labels``, ``entry.own_classes``, canonical names and
    `labels.ALIASES`; another name is a `FacetoryError`.  Without split folders, the same `TEST_FRACTION` of
    every class becomes the test split, drawn by image, so one person may be in both splits; the manifest
    says so.
    """
    depth = 1 if _has_split_folders(source) else 0
    found, ledger = [], []
    for path in sorted(path for path in source.rglob("*") if not path.is_dir()):
        place = path.relative_to(source)
        problem = _no_sample(place, depth)
        if problem:
            ledger.append(Odd("", str(place), problem, "left out"))
            continue
        split = SPLITS[place.parts[0].lower()] if depth else ""
        where = str(source / Path(*place.parts[: depth + 1]))
        label = labels.class_of(place.parts[depth], entry.labels, where, entry.own_classes)
        sample = Sample(sample_id(str(place)), split, label, "", str(path.absolute()))
        found.append(Found(sample, str(place)))
    _check_names(found, entry.name)
    if not found:
        raise FacetoryError(f"{source}: no images in its class folders. Put a folder per class there.")
    classes = entry.own_classes or labels.family_of((item.sample.label for item in found), str(source))
    notes: dict[str, object] = {"splits": "as the folders say"}
    if not depth:
        found = _split(found, entry.name)
        notes = {
            "splits": f"{TEST_FRACTION:.0%} of each class for test, by image; people may be in both splits"
        }
    return Listing(choose(found), classes, ledger, [], notes)


def class_names(source: Path) -> tuple[str, ...]:
    """The names of the class folders as names of classes (`labels.plain_name`), sorted."""
    parents = source.iterdir() if _has_split_folders(source) else [source]
    folders = (folder for parent in parents if parent.is_dir() for folder in parent.iterdir())
    visible = (folder.name for folder in folders if folder.is_dir() and not folder.name.startswith("."))
    return tuple(sorted({labels.plain_name(name) for name in visible}))


def _has_split_folders(source: Path) -> bool:
    folders = sorted(
        path.name for path in source.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    splits = [name for name in folders if name.lower() in SPLITS]
    if splits and len(splits) < len(folders):
        raise FacetoryError(
            f"{source}: {', '.join(name for name in folders if name not in splits)} stand beside "
            f"{', '.join(splits)}. Put class folders either below train/, validation/ and test/, or there."
        )
    return bool(splits)


def _no_sample(place: Path, depth: int) -> str | None:
    """Why a file is no sample, or None; ``depth`` is that of the class folders."""
    if any(part.startswith(".") for part in place.parts):
        return "hidden"
    if len(place.parts) < depth + 2:
        return "in no class folder"
    if place.suffix.lower() not in IMAGE_SUFFIXES:
        return f"{place.suffix or place.name!r} is no image's suffix"
    return None


def sample_id(name: str) -> str:
    """The path without its suffix as an id; a short hash is added where letters had to be replaced."""
    stem = str(Path(name).with_suffix(""))
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", stem.replace("/", "-"))
    if plain.replace("-", "/") == stem.replace("-", "/") and not plain.startswith("."):
        return plain
    return f"{plain.lstrip('.')}-{hashlib.sha256(stem.encode()).hexdigest()[:8]}"


def _check_names(found: list[Found], name: str) -> None:
    files: dict[str, str] = {}
    for item in found:
        if item.sample.sample_id in files:
            raise FacetoryError(
                f"{name}: {files[item.sample.sample_id]} and {item.file} give the same sample id. Rename one."
            )
        files[item.sample.sample_id] = item.file


def _split(found: list[Found], name: str) -> list[Found]:
    test: set[str] = set()
    for group in grouped(found).values():
        ids = [item.sample.sample_id for item in group]
        test |= {ids[i] for i in ranking(ids, 0, "split", name)[: round(TEST_FRACTION * len(ids))]}
    return [
        item._replace(sample=item.sample._replace(split="test" if item.sample.sample_id in test else "train"))
        for item in found
    ]
