"""FER2013: one CSV file whose rows carry 48 × 48 grey pixels (Goodfellow et al., ICONIP 2013)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from facetory.data import labels
from facetory.data.catalogue import Entry
from facetory.data.index import Odd, Sample, read_csv
from facetory.data.listing import Choose, Found, Listing
from facetory.pipeline.files import FacetoryError, written_aside

FILE = "fer2013.csv"
MD5 = "f8428a1edbd21e88f42c73edd2a14f95"
PX = 48
SPLITS = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}


def read(entry: Entry, source: Path, folder: Path, choose: Choose) -> Listing:
    """Samples of the rows of fer2013.csv (emotion, pixels, Usage), which is streamed twice.

    The pixels of the chosen rows are written as RGB PNG files into ``folder/images``.  Training, PublicTest
    and PrivateTest become train, validation and test; people are not named by the set.  An emotion outside
    0..6, an unknown usage, another number of pixels or a pixel outside 0..255 is a `FacetoryError` with its
    line; a file with another hash than the published one is noted in the ledger.
    """
    path = source / FILE
    chosen = choose([_found(path, line, row, folder) for line, row in rows(path)])
    write_pictures(path, {item.row: Path(item.sample.image) for item in chosen})
    odd = other_hash(path)
    return Listing(chosen, entry.class_names, odd, [path], {"md5_as_published": not odd})


def rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of fer2013.csv with their line numbers."""
    return read_csv(path, ("emotion", "pixels", "Usage"))


def write_pictures(path: Path, wanted: Mapping[int | str, Path]) -> None:
    """Write the pixels of the wanted lines of fer2013.csv as RGB PNG files."""
    for line, row in rows(path):
        if line in wanted:
            with written_aside(wanted[line], durable=False) as aside:
                Image.fromarray(_pixels(path, line, row["pixels"])).convert("RGB").save(aside, format="PNG")


def other_hash(path: Path) -> list[Odd]:
    """A ledger row when fer2013.csv is not the published file."""
    with path.open("rb") as handle:
        md5 = hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return [] if md5 == MD5 else [Odd("", FILE, f"md5 {md5}, published {MD5}", "kept")]


def _found(path: Path, line: int, row: dict[str, str], folder: Path) -> Found:
    if row["emotion"] not in labels.FER2013:
        raise _error(path, line, f"emotion {row['emotion']!r} is outside 0..6")
    if row["Usage"] not in SPLITS:
        raise _error(path, line, f"usage {row['Usage']!r} is none of {', '.join(SPLITS)}")
    sample_id = f"fer{line:05d}"
    image = str((folder / "images" / f"{sample_id}.png").absolute())
    return Found(
        Sample(sample_id, SPLITS[row["Usage"]], labels.FER2013[row["emotion"]], "", image), FILE, line
    )


def _pixels(path: Path, line: int, text: str) -> np.ndarray:
    values = text.split()
    if len(values) != PX * PX:
        raise _error(path, line, f"{len(values)} pixels instead of {PX * PX}")
    if not all(value.isascii() and value.isdigit() and int(value) < 256 for value in values):
        raise _error(path, line, "a pixel is no whole number of 0..255")
    return np.array(values, dtype=np.uint8).reshape(PX, PX)


def _error(path: Path, line: int, problem: str) -> FacetoryError:
    return FacetoryError(f"{path} line {line}: {problem}. Restore the file from your copy of FER2013.")
