"""CelebA-HQ: 30,000 aligned photographs, with CelebA's attributes and partition where they are placed.

Karras et al., ICLR 2018; numbers and attributes as in CelebAMask-HQ (Lee et al., CVPR 2020).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import numpy as np

from facetory.data.attributes import caption_of
from facetory.data.catalogue import Entry
from facetory.data.index import SPLITS, Odd, Sample
from facetory.data.listing import Choose, Found, Listing
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.randomness import sample_keys, stream_key, uniform

IMAGES = ("CelebA-HQ-img", "celeba_hq_256")
"""Folders of CelebAMask-HQ (1024²) and of Kaggle's resized copy (256²); the first one there is read."""
ATTRIBUTES = "CelebAMask-HQ-attribute-anno.txt"
MAPPING = "CelebA-HQ-to-CelebA-mapping.txt"
PARTITION = "list_eval_partition.txt"
NUMBER = re.compile(r"(\d{1,5})\.(jpg|jpeg|png)", re.IGNORECASE)
SIZE = 30_000


def read(entry: Entry, source: Path, folder: Path, choose: Choose) -> Listing:
    """Samples of the images ``0.jpg`` or ``00000.jpg`` … in the order of their numbers, without labels.

    The number in a name is taken to be CelebA-HQ's own, by which attributes and partition are looked up.
    Splits follow CelebA's partition where `MAPPING` and `PARTITION` are placed; without them a keyed draw of
    the sample id decides, with the same shares.  People are not named, so they may stand in several splits
    of the latter.  Where `ATTRIBUTES` is placed, captions tell open mouths, beards and glasses.  A malformed
    row, or an image that a placed file leaves out, is a `FacetoryError` with file and line.
    """
    images, ledger = _images(source)
    paths = {name: source / name for name in (ATTRIBUTES, MAPPING, PARTITION) if (source / name).is_file()}
    captions = _captions(paths[ATTRIBUTES]) if ATTRIBUTES in paths else dict.fromkeys(images, "")
    partitioned = {MAPPING, PARTITION} <= paths.keys()
    splits = _partition(paths[MAPPING], paths[PARTITION]) if partitioned else keyed_splits(entry, images)
    found = []
    for number, image in sorted(images.items()):
        for name, known in ((ATTRIBUTES, captions), (MAPPING, splits)):
            if number not in known:
                raise FacetoryError(f"{entry.name}: {name} has no row of {image.name}. Restore the file.")
        sample = Sample(_id(number), splits[number], "", "", str(image.absolute()), captions[number])
        found.append(Found(sample, f"{image.parent.name}/{image.name}"))
    notes = {
        "images": next(iter(images.values())).parent.name,
        "splits": "CelebA's partition" if partitioned else "a keyed draw by sample id",
        "attributes": ATTRIBUTES in paths,
    }
    return Listing(choose(found), entry.class_names, ledger, list(paths.values()), notes)


def keyed_splits(entry: Entry, numbers: dict[int, Path]) -> dict[int, str]:
    """A split for each number with the published shares: a function of the sample id alone."""
    ends = np.array(list(accumulate(entry.counts.values()))) / SIZE
    ids = [_id(number) for number in numbers]
    draws = uniform(stream_key(0, "data", "celebahq split"), sample_keys(ids), 0, 1)[:, 0]
    places = np.searchsorted(ends, draws, side="right")
    return {number: tuple(entry.counts)[place] for number, place in zip(numbers, places, strict=True)}


def _id(number: int) -> str:
    return f"celebahq_{number:05d}"


def _images(source: Path) -> tuple[dict[int, Path], list[Odd]]:
    """The images by number, and a ledger row for each other file."""
    folder = next(source / name for name in IMAGES if (source / name).is_dir())
    images: dict[int, Path] = {}
    others = []
    for path in sorted(folder.iterdir()):
        match = NUMBER.fullmatch(path.name)
        if not match:
            others.append(Odd("", f"{folder.name}/{path.name}", "its name is no number", "left out"))
            continue
        number = int(match[1])
        if number >= SIZE:
            raise FacetoryError(
                f"{path}: CelebA-HQ's numbers end at {SIZE - 1}; numbered otherwise, images would get the "
                "attributes and splits of others. Number them from 0 in CelebA-HQ's order."
            )
        if number in images:
            raise FacetoryError(f"{path}: {images[number].name} is of that number too. Remove one of them.")
        images[number] = path
    if not images:
        raise FacetoryError(f"{folder}: holds no image 0.jpg or 00000.jpg. Place the set's images there.")
    return images, others


def _captions(path: Path) -> dict[int, str]:
    """Captions by number from CelebAMask-HQ's attributes: a count, the names, then ``0.jpg -1 1 …``."""
    lines = _lines(path)
    _, first = next(lines, (1, []))
    line, names = next(lines, (2, []))
    wanted = ("Mouth_Slightly_Open", "No_Beard", "Eyeglasses")
    if missing := [name for name in wanted if name not in names]:
        raise _error(path, line, f"does not name the attribute {missing[0]}")
    captions: dict[int, str] = {}
    for line, (name, *values) in lines:
        if len(values) != len(names) or not set(values) <= {"-1", "1"}:
            raise _error(path, line, f"is not a name and {len(names)} times -1 or 1")
        has = {attribute: value == "1" for attribute, value in zip(names, values, strict=True)}
        mouth, no_beard, glasses = (has[attribute] for attribute in wanted)
        number = _number(path, line, name, captions)
        captions[number] = caption_of({"open mouth": mouth, "beard": not no_beard, "glasses": glasses})
    if first != [str(len(captions))]:
        raise _error(path, 1, f"says {' '.join(first)!r}, and {len(captions)} rows follow")
    return captions


def _partition(mapping: Path, partition: Path) -> dict[int, str]:
    """Splits by number: ``idx orig_idx orig_file`` and ``000001.jpg 0`` (0, 1, 2: SPLITS)."""
    originals: dict[str, str] = {}
    for line, cells in _lines(partition):
        if len(cells) != 2 or cells[1] not in ("0", "1", "2"):
            raise _error(partition, line, "is not of the form '000001.jpg 0', with 0, 1 or 2")
        originals[cells[0]] = SPLITS[int(cells[1])]
    splits: dict[int, str] = {}
    for line, cells in _lines(mapping):
        if line == 1 and cells[:1] == ["idx"]:
            continue
        if len(cells) != 3:
            raise _error(mapping, line, "is not of the form '0 119613 119614.jpg'")
        number = _number(mapping, line, f"{cells[0]}.jpg", splits)
        if cells[2] not in originals:
            raise _error(mapping, line, f"names {cells[2]}, which {partition.name} does not")
        splits[number] = originals[cells[2]]
    return splits


def _number(path: Path, line: int, name: str, seen: dict[int, str]) -> int:
    match = NUMBER.fullmatch(name)
    if not match or int(match[1]) >= SIZE:
        raise _error(path, line, f"{name!r} is none of 0.jpg … {SIZE - 1}.jpg")
    if int(match[1]) in seen:
        raise _error(path, line, f"names {name} a second time")
    return int(match[1])


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The cells of a file's lines that are not empty, with the lines' numbers."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FacetoryError(f"{path}: not a text file ({error}). Restore it from your copy.") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, line.split()


def _error(path: Path, line: int, problem: str) -> FacetoryError:
    return FacetoryError(f"{path} line {line}: {problem}. Restore the file from your copy of the set.")
