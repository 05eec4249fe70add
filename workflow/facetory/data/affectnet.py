"""AffectNet's annotated faces, in either of its two layouts (Mollahosseini et al., IEEE TAC 2017)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facetory.data.catalogue import Entry
from facetory.data.folder import sample_id
from facetory.data.index import Odd, Sample, read_csv
from facetory.data.listing import Choose, Found, Listing
from facetory.pipeline.files import FacetoryError

CODES = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")
OTHERS = ("contempt", "none", "uncertain", "no face")
"""What the codes after those of `CODES` mean; such faces are left out."""
IMAGES = "Manually_Annotated_Images"
TABLES = {"train": "training.csv", "validation": "validation.csv"}
COLUMNS = ("subDirectory_filePath", "expression")
SETS = {"train": "train_set", "validation": "val_set"}


class Face(NamedTuple):
    """An annotated face: its id within the split, its code, its image and what names it."""

    name: str
    code: float
    image: Path
    file: str
    row: int | str = ""


def read(entry: Entry, source: Path, folder: Path, choose: Choose) -> Listing:
    """Samples of the seven basic expressions; which layout was found stands in the manifest.

    ``csv`` is `IMAGES` with `TABLES`; ``npy`` is ``{train_set,val_set}/images/N.jpg`` with
    ``annotations/N_exp.npy``, whose pickles are not opened.  Contempt and what is no expression is left out;
    the ledger counts it.  People are not named by the set.  A code outside 0..10, an unreadable annotation
    or an image without one is a `FacetoryError` with its file and row.
    """
    layout = _layout(source)
    faces_of = _tabled if layout == "csv" else _annotated
    found, ledger = [], []
    for split in ("train", "validation"):
        rows: dict[str, int | str] = {}
        others: Counter[str] = Counter()
        for face in faces_of(source, split):
            if face.name in rows:
                problem = f"{split}: {face.name} stands in line {rows[face.name]} already"
                ledger.append(Odd(face.row, face.file, problem, "left out"))
                continue
            rows[face.name] = face.row
            code = _checked(face, source)
            if code < len(CODES):
                sample = Sample(f"{split}-{face.name}", split, CODES[code], "", str(face.image.absolute()))
                found.append(Found(sample, face.file, face.row))
            else:
                others[OTHERS[code - len(CODES)]] += 1
        ledger += [
            Odd("", "", f"{split}: {number} faces are labelled {name!r}", "left out")
            for name, number in others.items()
        ]
    tables = [source / name for name in TABLES.values()] if layout == "csv" else []
    return Listing(choose(found), entry.class_names, ledger, tables, {"layout": layout})


def _layout(source: Path) -> str:
    layouts = {
        "csv": (IMAGES, *TABLES.values()),
        "npy": tuple(f"{name}/{part}" for name in SETS.values() for part in ("images", "annotations")),
    }
    for layout, parts in layouts.items():
        if all((source / part).exists() for part in parts):
            return layout
    wanted = ", or ".join(" with ".join(parts) for parts in layouts.values())
    raise FacetoryError(f"{source}: neither layout is whole. Place {wanted} there.")


def _tabled(source: Path, split: str) -> Iterator[Face]:
    path = source / TABLES[split]
    for line, row in read_csv(path, COLUMNS):
        image, expression = (row[column].strip() for column in COLUMNS)
        parts = Path(image).parts
        if len(parts) != 2 or {"..", "/"} & {*parts}:
            raise _error(f"{path} line {line}: {image!r} is not of the form '689/737db2.jpg'")
        code = int(expression) if expression.isascii() and expression.isdigit() else float("nan")
        yield Face(sample_id(image), code, source / IMAGES / image, path.name, line)


def _annotated(source: Path, split: str) -> Iterator[Face]:
    folder = source / SETS[split]
    numbers = _numbers(folder / "annotations", r"([0-9]+)_exp\.npy")
    missing = sorted(_numbers(folder / "images", r"([0-9]+)\.jpg") - numbers, key=int)
    if missing:
        first = folder / "annotations" / f"{missing[0]}_exp.npy"
        raise _error(f"{first}: the file is missing ({len(missing)} images have no annotation)")
    for number in sorted(numbers, key=lambda number: (int(number), number)):
        path = folder / "annotations" / f"{number}_exp.npy"
        image = folder / "images" / f"{number}.jpg"
        yield Face(number, _stored(path), image, str(path.relative_to(source)))


def _numbers(folder: Path, pattern: str) -> set[str]:
    matches = (re.fullmatch(pattern, path.name) for path in folder.iterdir())
    return {match[1] for match in matches if match}


def _stored(path: Path) -> float:
    """The one number of an annotation, which may be stored as a string."""
    try:
        with path.open("rb") as handle:
            return float(np.lib.format.read_array(handle, allow_pickle=False).item())
    except (OSError, ValueError, TypeError) as error:
        raise _error(f"{path}: not an array of one number ({error})") from error


def _checked(face: Face, source: Path) -> int:
    last = len(CODES) + len(OTHERS) - 1
    if face.code not in range(last + 1):
        where = f"{source / face.file} line {face.row}" if face.row else str(source / face.file)
        raise _error(f"{where}: the expression is no whole number of 0..{last}")
    return int(face.code)


def _error(problem: str) -> FacetoryError:
    return FacetoryError(f"{problem}. Restore the file from your copy of AffectNet.")
