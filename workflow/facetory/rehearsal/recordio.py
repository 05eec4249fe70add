"""Writing MXNet's RecordIO, which `facetory.data.recordio` describes and reads."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

from facetory.data.recordio import FIRST, HEADER, LAST, MAGIC, MIDDLE, PART, WHOLE
from facetory.pipeline.files import write_text, written_aside


def write_records(path: Path, contents: Mapping[int, bytes]) -> None:
    """Write a .rec file of contents by key, in their order, and the .idx file of its name."""
    lines, offset = [], 0
    with written_aside(path) as aside, aside.open("wb") as file:
        for key, content in contents.items():
            lines.append(f"{key}\t{offset}\n")
            offset += file.write(record(content))
    write_text(path.with_suffix(".idx"), "".join(lines))


def packed(label: float | tuple[float, ...], own: int, payload: bytes = b"") -> bytes:
    """The content of an image record: a label or several, the record's own id, and the encoded image."""
    if isinstance(label, tuple):
        return HEADER.pack(len(label), 0, own, 0) + struct.pack(f"<{len(label)}f", *label) + payload
    return HEADER.pack(0, label, own, 0) + payload


def record(content: bytes) -> bytes:
    """One record: its content cut where the magic number stands at a multiple of four bytes."""
    magic = struct.pack("<I", MAGIC)
    parts, start = [], 0
    while (found := _aligned(content, magic, start)) >= 0:
        parts.append(content[start:found])
        start = found + len(magic)
    parts.append(content[start:])
    kinds = [WHOLE] if len(parts) == 1 else [FIRST, *[MIDDLE] * (len(parts) - 2), LAST]
    return b"".join(
        PART.pack(MAGIC, kind << 29 | len(part)) + part + bytes(-len(part) % 4)
        for kind, part in zip(kinds, parts, strict=True)
    )


def _aligned(content: bytes, magic: bytes, start: int) -> int:
    """Where the magic number stands next at a multiple of four bytes, or −1."""
    found = content.find(magic, start)
    while found % 4 and found >= 0:
        found = content.find(magic, found + 1)
    return found
