"""Any folder of faces with a folder per class, with or without folders for train, validation and test."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
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

    Names of class folders are mapped by ``entry.labels``, canonical names and `labels.ALIASES`; another name
    is a `FacetoryError`.  Without split folders, the same `TEST_FRACTION` of every class becomes the test
    split, drawn by image, so one person may be in both splits; the manifest says so.
    """
    found, ledger = [], []
    for split, class_folder in _class_folders(source):
        label = labels.class_of(class_folder.name, entry.labels, str(class_folder))
        for path in sorted(class_folder.rglob("*")):
            name = str(path.relative_to(source))
            if path.is_dir():
                continue
            if path.suffix.lower() not in IMAGE_SUFFIXES or path.name.startswith("."):
                ledger.append(Odd("", name, f"{path.suffix or path.name!r} is no image's suffix", "left out"))
                continue
            found.append(Found(Sample(_sample_id(name), split, label, "", str(path.absolute())), name))
    _check_names(found, entry.name)
    if not found:
        raise FacetoryError(f"{source}: no images in its class folders. Put a folder per class there.")
    classes = labels.family_of((item.sample.label for item in found), str(source))
    notes: dict[str, object] = {"splits": "as the folders say"}
    if not found[0].sample.split:
        found = _split(found, entry.name)
        notes = {
            "splits": f"{TEST_FRACTION:.0%} of each class for test, by image; people may be in both splits"
        }
    return Listing(choose(found), classes, ledger, [], notes)


def _class_folders(source: Path) -> Iterator[tuple[str, Path]]:
    folders = sorted(path for path in source.iterdir() if path.is_dir() and not path.name.startswith("."))
    splits = [path for path in folders if path.name.lower() in SPLITS]
    others = [path.name for path in folders if path.name.lower() not in SPLITS]
    if splits and others:
        raise FacetoryError(
            f"{source}: {', '.join(others)} stand beside {', '.join(path.name for path in splits)}. "
            "Put class folders either below train/, validation/ and test/, or directly there."
        )
    if not splits:
        yield from (("", path) for path in folders)
    for split in splits:
        for path in sorted(split.iterdir()):
            if path.is_dir() and not path.name.startswith("."):
                yield SPLITS[split.name.lower()], path


def _sample_id(name: str) -> str:
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
