"""Face sets: faces of one size by identity, in safetensors files that are read a few rows at a time.

A set is a manifest with the entries of its files (`file_entry`) and, in each file, ``images`` uint8
(m, 3, px, px), ``identity`` and ``image`` int64 (m,), ``found`` bool (m,), and the names of its identities.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facetory.data.images import IMAGE_SUFFIXES, read_image
from facetory.faces.spec import Alignment
from facetory.pipeline.files import (
    FacetoryError,
    open_tensors,
    read_json,
    read_metadata,
    sha256_of,
    write_tensors,
)

PARTS = ("images", "identity", "image", "found")


@dataclass(frozen=True)
class FaceSet:
    """n faces, sorted by (identity, image).

    ``identity`` (n,) int64 indexes ``names``, ``image`` (n,) int64 is the number within the identity,
    ``found`` (n,) whether the detector found a face, ``about`` what the set says of itself (dataset, split,
    synthetic, title), ``px`` the side of a face.
    """

    identity: np.ndarray
    image: np.ndarray
    found: np.ndarray
    names: list[str]
    sample_ids: list[str]
    about: dict[str, Any]
    px: int
    read: Callable[[np.ndarray], np.ndarray]

    def pixels(self, positions: Iterable[int] | np.ndarray) -> np.ndarray:
        """The faces at some positions, in their order, uint8 (b, 3, px, px); only they are read."""
        return self.read(np.asarray(positions, dtype=np.int64).reshape(-1))


def write_face_file(
    path: Path | str,
    images: np.ndarray,
    identity: np.ndarray,
    image: np.ndarray,
    found: np.ndarray,
    names: Mapping[int, str],
    sample_ids: Sequence[str] | None = None,
) -> None:
    """Write one file of a face set; ``names`` tells the name of each number in ``identity``."""
    tensors: dict[str, np.ndarray] = {
        "images": np.asarray(images, dtype=np.uint8),
        "identity": np.asarray(identity, dtype=np.int64),
        "image": np.asarray(image, dtype=np.int64),
        "found": np.asarray(found, dtype=bool),
    }
    rows = len(tensors["images"])
    if any(len(tensor) != rows for tensor in tensors.values()) or len(sample_ids or range(rows)) != rows:
        raise ValueError(f"{path}: images, identity, image, found and sample_ids differ in length")
    known = {str(number): names[number] for number in np.unique(tensors["identity"]).tolist()}
    own = {} if sample_ids is None else {"sample_ids": list(sample_ids)}
    write_tensors(path, tensors, {"names": known, **own})


def file_entry(folder: Path, path: Path) -> dict[str, Any]:
    """A file's entry in ``record["files"]`` of the manifest of the set in ``folder``."""
    with open_tensors(path) as handle:
        images = handle.get_slice("identity").get_shape()[0]
    return {"path": str(path.relative_to(folder)), "sha256": sha256_of(path), "images": images}


def read_face_set(manifest: Path | str, identities: int | None = None, images: int | None = None) -> FaceSet:
    """The face set that a manifest lists, or of its first ``identities`` the first ``images`` each.

    Identities are numbered anew without gaps, in the order of their numbers in the files.  A set that was not
    gathered, and a file that is missing or not what the manifest says (only those with chosen faces are
    checked), is a `FacetoryError`.
    """
    manifest = Path(manifest)
    record = read_json(manifest)
    if record.get("status") != "gathered" or not record.get("files"):
        why = record.get("reason", record.get("status", "it lists no files"))
        raise FacetoryError(f"{manifest}: the face set is not there ({why}). Run the target that makes it.")
    paths = [manifest.parent / entry["path"] for entry in record["files"]]
    tables = [_table(path, entry["images"]) for path, entry in zip(paths, record["files"], strict=True)]
    number, image, found = (
        np.concatenate([table[part] for table in tables]) for part in ("identity", "image", "found")
    )
    sample_ids = [sample_id for table in tables for sample_id in table["sample_ids"]]
    file = np.repeat(np.arange(len(tables)), [len(table["identity"]) for table in tables])
    row = np.concatenate([np.arange(len(table["identity"])) for table in tables])
    kept = first_of(number, image, identities, images)
    for place in np.unique(file[kept]):
        if sha256_of(paths[place]) != record["files"][place]["sha256"]:
            raise FacetoryError(
                f"{paths[place]}: differs from the hash in {manifest}. Delete it and run its target again."
            )
    numbers, identity = np.unique(number[kept], return_inverse=True)
    names = _names(paths, tables)
    return FaceSet(
        identity.astype(np.int64),
        image[kept],
        found[kept],
        [names[name] for name in numbers.tolist()],
        [sample_ids[place] for place in kept],
        record["about"],
        record["px"],
        _reader(paths, file[kept], row[kept], record["px"]),
    )


def first_of(
    identity: np.ndarray, image: np.ndarray, identities: int | None, images: int | None
) -> np.ndarray:
    """Positions, sorted by (identity, image), of the first ``images`` of the first ``identities``."""
    order = np.lexsort((image, identity))
    _, first, place = np.unique(identity[order], return_index=True, return_inverse=True)
    rank = np.arange(len(order)) - first[place]
    chosen = np.ones(len(order), dtype=bool)
    if identities is not None:
        chosen &= place < identities
    if images is not None:
        chosen &= rank < images
    return order[chosen]


def read_folder(folder: Path | str, px: int, alignment: Alignment = "none") -> FaceSet:
    """Any folder with a folder of pictures per identity, in the natural order of their names.

    Pictures are brought to ``px`` by `template.align_face` when they are read; pictures beside the folders
    belong to nobody.  A folder without pictures of anybody is a `FacetoryError`.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FacetoryError(f"{folder}: there is no such folder. Give one with a folder per identity.")
    people = sorted((path for path in folder.iterdir() if path.is_dir()), key=lambda path: natural(path.name))
    pictures = [(person.name, sorted(_pictures(person), key=lambda p: natural(str(p)))) for person in people]
    pictures = [(name, own) for name, own in pictures if own]
    if not pictures:
        raise FacetoryError(f"{folder}: no pictures in folders of identities. Put each identity's in one.")
    identity = np.repeat(np.arange(len(pictures)), [len(own) for _, own in pictures])
    paths = [path for _, own in pictures for path in own]

    def read(positions: np.ndarray) -> np.ndarray:
        from facetory.faces.template import align_face

        faces = [align_face(read_image(paths[place]), px, alignment)[0] for place in positions]
        return np.stack(faces).transpose(0, 3, 1, 2) if faces else np.zeros((0, 3, px, px), np.uint8)

    return FaceSet(
        identity,
        np.concatenate([np.arange(len(own)) for _, own in pictures]),
        np.ones(len(paths), dtype=bool),
        [name for name, _ in pictures],
        [str(path.relative_to(folder).with_suffix("")) for path in paths],
        {"dataset": folder.resolve().name, "split": "all", "synthetic": None, "title": folder.resolve().name},
        px,
        read,
    )


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts numbers in names by their value: 2 before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _pictures(person: Path) -> Iterable[Path]:
    for path in person.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(person.parent).parts)
        if path.suffix.lower() in IMAGE_SUFFIXES and not hidden:
            yield path


def _table(path: Path, images: int) -> dict[str, Any]:
    """What a file says of its faces, without their pixels."""
    metadata = read_metadata(path)
    with open_tensors(path) as handle:
        if set(handle.keys()) != set(PARTS) or handle.get_slice("identity").get_shape() != [images]:
            raise FacetoryError(
                f"{path}: not the file of {images} faces that the manifest lists. Make it again."
            )
        table = {part: handle.get_tensor(part) for part in PARTS[1:]}
    names = {int(number): name for number, name in metadata["names"].items()}
    made = (
        f"{names[i]}/{k}" for i, k in zip(table["identity"].tolist(), table["image"].tolist(), strict=True)
    )
    return {**table, "names": names, "sample_ids": metadata.get("sample_ids") or list(made)}


def _names(paths: Sequence[Path], tables: Sequence[dict[str, Any]]) -> dict[int, str]:
    """The identities' names by number; two names of one number are a `FacetoryError`."""
    names: dict[int, str] = {}
    for path, table in zip(paths, tables, strict=True):
        for number, name in table["names"].items():
            if names.setdefault(number, name) != name:
                raise FacetoryError(
                    f"{path}: identity {number} is {name!r}, elsewhere {names[number]!r}. Make the set again."
                )
    return names


def _reader(
    paths: Sequence[Path], file: np.ndarray, row: np.ndarray, px: int
) -> Callable[[np.ndarray], np.ndarray]:
    """Reads the faces at some positions out of the mapped files."""

    def read(positions: np.ndarray) -> np.ndarray:
        faces = np.empty((len(positions), 3, px, px), dtype=np.uint8)
        with ExitStack() as stack:
            for place in np.unique(file[positions]):
                images = stack.enter_context(open_tensors(paths[place])).get_slice("images")
                for target in np.flatnonzero(file[positions] == place):
                    source = int(row[positions[target]])
                    faces[target] = images[source : source + 1][0]
        return faces

    return read
