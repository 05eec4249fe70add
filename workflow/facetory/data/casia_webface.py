"""CASIA-WebFace as insightface packs it: 112 × 112 faces on the five-point template, in MXNet's records.

Yi, Lei, Liao and Li, arXiv:1411.7923, 2014; `train.rec`, `train.idx` and `property` of faces_webface_112x112.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from facetory.data.catalogue import Entry
from facetory.data.index import Sample
from facetory.data.listing import Choose, Found, Listing
from facetory.data.recordio import Image, Record, error, read_keys, records, unpack
from facetory.pipeline.files import FacetoryError, written_aside

RECORDS, KEYS, PROPERTY = "train.rec", "train.idx", "property"
JPEG = b"\xff\xd8\xff"


def read(entry: Entry, source: Path, folder: Path, choose: Choose) -> Listing:
    """Samples of the packed faces by their keys, all to train on; people are the label's numbers.

    Record 0 tells the keys: images are 1 … first − 1, and the records of people, which hold no image, first
    … last − 1.  The chosen JPEG files are written as they are to ``folder/images``, a folder a person.  The
    file is read twice; a broken record, a key without one, or a label that `property` has no room for, is a
    `FacetoryError` with number and byte.
    """
    path = source / RECORDS
    people = _people(source / PROPERTY)
    keys = read_keys(source / KEYS)
    first, last = _keys_of_images(path, keys)
    found = []
    for key, record, image in images(path, keys, first):
        label = image.labels[0]
        if label != int(label) or not 0 <= label < people:
            raise error(path, record.number, record.offset, f"label {label:g} is none of 0 … {people - 1}")
        person = f"{int(label):05d}"
        place = folder / "images" / person / f"{key:06d}.jpg"
        sample = Sample(f"casia_{key:06d}", "train", "", f"casia_{person}", str(place.absolute()))
        found.append(Found(sample, RECORDS, key))
    if len(found) != first - 1:
        raise FacetoryError(
            f"{path}: record 0 tells of {first - 1} images, {KEYS} names {len(found)}. Place the set again."
        )
    chosen = choose(found)
    write(path, keys, first, {int(item.row): Path(item.sample.image) for item in chosen})
    about = {"people": len({item.sample.person for item in chosen}), "people_told": last - first}
    return Listing(chosen, entry.class_names, [], [source / KEYS, source / PROPERTY], about)


def images(path: Path, keys: dict[int, int], first: int) -> Iterator[tuple[int, Record, Image]]:
    """The image records with their keys; one that the keys do not name, or that is no JPEG, is an error."""
    missing = set(keys)
    for record in records(path):
        if record.offset not in keys:
            raise error(path, record.number, record.offset, f"{KEYS} names no record there")
        missing.discard(record.offset)
        key = keys[record.offset]
        if not 0 < key < first:
            continue
        image = unpack(record, path)
        if not image.payload.startswith(JPEG):
            raise error(path, record.number, record.offset, f"key {key} holds no JPEG image")
        yield key, record, image
    if missing:
        raise FacetoryError(
            f"{path}: {KEYS} names a record at byte {min(missing)}; there is none. Place it again."
        )


def write(path: Path, keys: dict[int, int], first: int, wanted: dict[int, Path]) -> None:
    """Write the JPEG files of the wanted keys; those that lie there whole are kept."""
    for key, _, image in images(path, keys, first):
        place = wanted.get(key)
        if place and not (place.is_file() and place.read_bytes() == image.payload):
            with written_aside(place, durable=False) as aside:
                aside.write_bytes(image.payload)


def _keys_of_images(path: Path, keys: dict[int, int]) -> tuple[int, int]:
    """Record 0's two labels: the key after the last image, and the one after the last person."""
    record = next(records(path))
    labels = unpack(record, path).labels
    if keys.get(record.offset) != 0 or len(labels) != 2 or not 1 < labels[0] <= labels[1]:
        raise error(
            path, record.number, record.offset, f"labels {labels} are not the keys of images and people"
        )
    return int(labels[0]), int(labels[1])


def _people(path: Path) -> int:
    cells = path.read_text(encoding="utf-8").strip().split(",") if path.is_file() else []
    if len(cells) != 3 or not all(cell.strip().isdecimal() for cell in cells):
        raise FacetoryError(f"{path}: is not of the form 10572,112,112. Place the set again.")
    return int(cells[0])
