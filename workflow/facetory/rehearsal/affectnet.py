"""AffectNet in its two layouts: tables of the annotated images, or an array a face and quantity."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from facetory.data.affectnet import CODES, IMAGES, OTHERS, SETS, TABLES
from facetory.data.catalogue import entry, source_of
from facetory.data.index import write_csv
from facetory.rehearsal.bank import Face
from facetory.rehearsal.casting import asked, shots
from facetory.rehearsal.pictures import fitted, jpeg, write

COLUMNS = (
    *("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks"),
    *("expression", "valence", "arousal"),
)
LANDMARKS = 68
UNKNOWN = "-2"
"""Valence and arousal of a face that has none."""
NPY_PX = 224


def fabricate_tables(data_root: Path, faces: Sequence[Face], sizes: Mapping[str, int]) -> None:
    """Write `affectnet` as training.csv, validation.csv and their images.

    ``sizes`` are images of train and validation, classes in turn; one face of each of the codes that are no
    basic expression is added to every split.
    """
    source = source_of(entry("affectnet"), data_root)
    rows: dict[str, list[tuple[str, ...]]] = {split: [] for split in TABLES}
    for split, number, code, face in _coded(faces, sizes):
        name = hashlib.sha256(f"{split} {number}".encode()).hexdigest()[:56]
        file = f"{1 + number % 1000}/{name}.jpg"
        write(source / IMAGES / file, jpeg(face.image))
        height, width = map(str, face.image.shape[:2])
        landmarks = ";".join(f"{value:.2f}" for value in np.resize(face.points, 2 * LANDMARKS))
        rows[split].append((file, "0", "0", width, height, landmarks, str(code), UNKNOWN, UNKNOWN))
    for split, table in TABLES.items():
        write_csv(source / table, COLUMNS, rows[split])


def fabricate_arrays(data_root: Path, faces: Sequence[Face], sizes: Mapping[str, int]) -> None:
    """Write `affectnet` as train_set and val_set with their images and annotations; sizes as above."""
    source = source_of(entry("affectnet"), data_root)
    for split, number, code, face in _coded(faces, sizes):
        folder = source / SETS[split]
        for quantity, value in {"exp": str(code), "val": UNKNOWN, "aro": UNKNOWN}.items():
            array = io.BytesIO()
            np.save(array, np.array(value), allow_pickle=False)
            write(folder / "annotations" / f"{number}_{quantity}.npy", array.getvalue())
        write(folder / "images" / f"{number}.jpg", jpeg(fitted(face.image, NPY_PX, NPY_PX)))


def _coded(faces: Sequence[Face], sizes: Mapping[str, int]) -> Iterator[tuple[str, int, int, Face]]:
    """Split, number within it, code and face: the basic expressions, and one of each other code."""
    counts = asked("affectnet", sizes, tuple(SETS))
    for split, number, label, face in shots("affectnet", faces, CODES, counts):
        yield split, number, CODES.index(label), face
    for split, number, _, face in shots("affectnet others", faces, (), dict.fromkeys(counts, len(OTHERS))):
        yield split, counts[split] + number, len(CODES) + number, face
