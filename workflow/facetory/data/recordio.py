"""MXNet's RecordIO, in which insightface packs its training sets: a strict reader of records and labels.

A record is a magic number, three bits that tell its part and 29 of its length, the bytes, and zeros up to a
multiple of four.  Where the magic number stood in the bytes they were cut, so that readers can find records;
the parts (first, middles, last) are joined by it again.  An image record begins with MXNet's IRHeader.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from facetory.pipeline.files import FacetoryError

MAGIC = 0xCED7230A
WHOLE, FIRST, MIDDLE, LAST = range(4)
PART = struct.Struct("<II")
HEADER = struct.Struct("<IfQQ")
MAX_BYTES = 1 << 26
"""No face is larger; a record that claims to be is refused before it is read."""


class Record(NamedTuple):
    """A record's number in the file, its first byte, and what it holds."""

    number: int
    offset: int
    content: bytes


class Image(NamedTuple):
    """An image record: its labels (one or several), its own id, and the bytes of the image."""

    labels: tuple[float, ...]
    id: int
    payload: bytes


def records(path: Path | str) -> Iterator[Record]:
    """The records of a .rec file in its order; of a broken one a `FacetoryError` names number and byte."""
    path = Path(path)
    size = path.stat().st_size if path.is_file() else 0
    if not size:
        raise FacetoryError(f"{path}: the file is missing or empty. Place the set again.")
    with path.open("rb") as file:
        number = 0
        while file.tell() < size:
            offset = file.tell()
            yield Record(number, offset, _content(file, size, path, number, offset))
            number += 1


def _content(file: BinaryIO, size: int, path: Path, number: int, offset: int) -> bytes:
    parts: list[bytes] = []
    total = 0
    while True:
        begun = file.read(PART.size)
        if len(begun) < PART.size:
            raise error(path, number, offset, "it is cut off")
        magic, told = PART.unpack(begun)
        part, length = told >> 29, told & ((1 << 29) - 1)
        total += length
        if magic != MAGIC:
            raise error(path, number, offset, f"magic number {magic:#x} instead of {MAGIC:#x}")
        if part not in ((MIDDLE, LAST) if parts else (WHOLE, FIRST)):
            raise error(path, number, offset, f"part {part} stands after {len(parts)} parts")
        if total > MAX_BYTES:
            raise error(path, number, offset, f"it claims more than {MAX_BYTES:,} bytes")
        padded = -(-length // 4) * 4
        if padded > size - file.tell():
            raise error(path, number, offset, f"it claims {length} bytes, and the file ends before")
        parts.append(file.read(padded)[:length])
        if part in (WHOLE, LAST):
            return struct.pack("<I", MAGIC).join(parts)


def unpack(record: Record, path: Path | str) -> Image:
    """What an image record holds; labels that it has no bytes for are a `FacetoryError`."""
    if len(record.content) < HEADER.size:
        raise error(path, record.number, record.offset, "it is shorter than an image's header")
    count, label, own, _ = HEADER.unpack_from(record.content)
    end = HEADER.size + 4 * count
    if end > len(record.content):
        raise error(path, record.number, record.offset, f"it claims {count} labels, and ends before")
    several = struct.unpack_from(f"<{count}f", record.content, HEADER.size)
    return Image(several if count else (label,), own, record.content[end:])


def read_keys(path: Path | str) -> dict[int, int]:
    """The key of the record at each byte, from an .idx file: a key and a byte in each line."""
    path, keys = Path(path), {}
    seen: set[int] = set()
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (FileNotFoundError, UnicodeDecodeError) as problem:
        raise FacetoryError(f"{path}: missing or not text ({problem}). Place the set again.") from problem
    for number, line in enumerate(lines, start=1):
        cells = line.split()
        if len(cells) != 2 or not all(cell.isdecimal() for cell in cells):
            raise FacetoryError(f"{path} line {number}: {line!r} is no key and byte. Place the set again.")
        key, offset = map(int, cells)
        if key in seen or offset in keys:
            raise FacetoryError(
                f"{path} line {number}: key {key} or byte {offset} stands twice. Place it again."
            )
        seen.add(key)
        keys[offset] = key
    return keys


def error(path: Path | str, number: int, offset: int, problem: str) -> FacetoryError:
    """A `FacetoryError` about one record."""
    return FacetoryError(f"{path} record {number} at byte {offset}: {problem}. Place the set's file again.")
