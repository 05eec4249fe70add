"""Aligned faces as networks see them: chosen from a ledger, checked, corrupted where asked, resized."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facetory.data.index import read_csv
from facetory.data.labels import family_of
from facetory.faces.corrupt import CLEAN, corrupted, parse
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.sampling import balanced

COLUMNS = ("sample_id", "split", "label", "person", "sha256")
Row = dict[str, str]


class Chosen(NamedTuple):
    """Faces chosen from a ledger: its rows, in its order; ``labels`` (n,) int64 index ``classes``.

    A dataset without labels has no classes, and −1 for each label.
    ``corruption`` is what the pictures went through before they were aligned, ``applied`` what is still to be
    done to the faces, for each corruption asked for.
    """

    folder: Path
    rows: list[Row]
    labels: np.ndarray
    sample_ids: list[str]
    persons: list[str]
    classes: tuple[str, ...]
    corruption: str
    applied: tuple[str, ...]


class Faces(NamedTuple):
    """Faces of a split: ``pixels`` uint8 (n, 3, px, px); ``labels`` (n,) int64 index ``classes``."""

    pixels: np.ndarray
    labels: np.ndarray
    sample_ids: list[str]
    persons: list[str]
    classes: tuple[str, ...]


def faces_of(
    ledger: Path | str,
    split: str,
    px: int,
    corruption: str = CLEAN,
    images_per_class: int | None = None,
    noise_seed: int = 0,
) -> Faces:
    """The faces of a split under one corruption, of each class ``images_per_class`` (all for None).

    Faces are corrupted at the resolution at which they were aligned, then resized to (px, px).
    """
    chosen = choose(ledger, split, images_per_class, [corruption])
    return Faces(pixels(chosen.folder, chosen.rows, px, chosen.applied[0], noise_seed), *chosen[2:6])


def choose(
    ledger: Path | str,
    split: str,
    images_per_class: int | None = None,
    corruptions: Sequence[str] = (CLEAN,),
    classes: Sequence[str] = (),
) -> Chosen:
    """A split's rows of a faces ledger, or a balanced part of them (`pipeline.sampling.balanced`).

    ``classes`` are a user's own, in order; without them they are the built-in family of the labels.
    A split without faces is a `FacetoryError`, and so is an unknown corruption.  Pictures that were corrupted
    before they were aligned may be asked for under that name alone, and are left as they are.
    """
    for name in corruptions:
        parse(name)
    ledger = Path(ledger)
    everyone = [row for _, row in read_csv(ledger, COLUMNS)]
    rows = [row for row in everyone if row["split"] == split]
    if not rows:
        raise FacetoryError(f"{ledger}: no face is in split {split!r}. Give the dataset that split.")
    earlier = rows[0].get("corruption", CLEAN)
    if earlier != CLEAN and set(corruptions) != {earlier}:
        raise FacetoryError(
            f"{ledger}: its pictures went through {earlier} before they were aligned, so they are not "
            f"{', '.join(sorted({*corruptions} - {earlier}))}. Ask for {earlier}, or use the clean faces."
        )
    known = {row["label"] for row in everyone}
    classes = tuple(classes) or (family_of(known, str(ledger)) if known != {""} else ())
    labels = np.array([classes.index(row["label"]) if classes else -1 for row in rows], dtype=np.int64)
    kept = balanced(labels, [row["sample_id"] for row in rows], images_per_class)
    rows = [rows[position] for position in kept]
    names, persons = ([row[column] for row in rows] for column in ("sample_id", "person"))
    applied = tuple(CLEAN if name == earlier else name for name in corruptions)
    return Chosen(ledger.parent, rows, labels[kept], names, persons, classes, earlier, applied)


def pixels(
    folder: Path, rows: Sequence[Row], px: int, corruption: str = CLEAN, noise_seed: int = 0, threads: int = 1
) -> np.ndarray:
    """The faces of some rows of a ledger under one corruption, uint8 (n, 3, px, px)."""
    parts = batches(folder, rows, px, (corruption,), noise_seed, threads=threads)
    return np.concatenate([batch for (batch,) in parts])


def batches(
    folder: Path,
    rows: Sequence[Row],
    px: int,
    corruptions: Sequence[str] = (CLEAN,),
    noise_seed: int = 0,
    batch_size: int = 64,
    threads: int = 1,
) -> Iterator[list[np.ndarray]]:
    """The faces of some rows of a ledger, batch by batch: for each corruption uint8 (batch, 3, px, px).

    A face is read once for all corruptions, which are applied to it before it is resized.
    """

    def views(row: Row) -> list[np.ndarray]:
        face = read_face(folder, row)
        return [resized(view, px) for view in corrupted(face, corruptions, row["sample_id"], noise_seed)]

    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, len(rows), batch_size):
            faces = pool.map(views, rows[first : first + batch_size])
            yield [as_batch(views, px) for views in zip(*faces, strict=True)]


def read_face(folder: Path, row: Row) -> np.ndarray:
    """An aligned face, RGB uint8 (height, width, 3), whose file is whole by its ledger's sha256."""
    from PIL import Image

    path = folder / "images" / f"{row['sample_id']}.png"
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise FacetoryError(f"{path}: the aligned face is missing. Align {folder.name} again.") from error
    if hashlib.sha256(content).hexdigest() != row["sha256"]:
        raise FacetoryError(
            f"{path}: the file is truncated or changed: its sha256 is not that of ledger.csv. Align "
            f"{folder.name} again."
        )
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def as_batch(faces: Iterable[np.ndarray], px: int) -> np.ndarray:
    """Faces of any size as one uint8 batch (n, 3, px, px)."""
    return np.stack([resized(face, px) for face in faces]).transpose(0, 3, 1, 2)


def resized(image: np.ndarray, px: int) -> np.ndarray:
    """An RGB uint8 image as (px, px, 3) uint8, by PIL's Lanczos filter with anti-aliasing."""
    from PIL import Image

    if image.shape[:2] == (px, px):
        return image
    return np.asarray(Image.fromarray(image).resize((px, px), Image.Resampling.LANCZOS))
