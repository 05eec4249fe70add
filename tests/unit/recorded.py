"""MXNet's records as its writer makes them, for tests (dmlc-core's RecordIOWriter, MXNet's pack)."""

import struct

MAGIC = struct.pack("<I", 0xCED7230A)


def packed(label, own, payload=b""):
    """An image record's content; a list of labels is packed as MXNet packs an array."""
    if isinstance(label, (int, float)):
        return struct.pack("<IfQQ", 0, label, own, 0) + payload
    return struct.pack("<IfQQ", len(label), 0, own, 0) + struct.pack(f"<{len(label)}f", *label) + payload


def record(content):
    """One record's bytes: cut at each aligned magic number, padded to a multiple of four."""
    parts, start = [], 0
    for i in range(0, len(content) // 4 * 4, 4):
        if content[i : i + 4] == MAGIC:
            parts.append(content[start:i])
            start = i + 4
    parts.append(content[start:])
    flags = [0] if len(parts) == 1 else [1, *[2] * (len(parts) - 2), 3]
    return b"".join(
        MAGIC + struct.pack("<I", flag << 29 | len(part)) + part + b"\0" * (-len(part) % 4)
        for flag, part in zip(flags, parts, strict=True)
    )


def write(folder, contents, name="train"):
    """A .rec file of contents by key, and its .idx file."""
    folder.mkdir(parents=True, exist_ok=True)
    lines, written = [], b""
    for key, content in contents.items():
        lines.append(f"{key}\t{len(written)}\n")
        written += record(content)
    (folder / f"{name}.rec").write_bytes(written)
    (folder / f"{name}.idx").write_text("".join(lines))
    return folder / f"{name}.rec"
