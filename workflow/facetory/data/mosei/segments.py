"""Aligned segments of any length: one safetensors file, written part by part and read by mapping."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from facetory.data.mosei.spec import MODALITIES, Modality
from facetory.pipeline.files import FacetoryError, open_tensors, written_aside

DTYPES = {"I64": np.int64, "F64": np.float64, "F32": np.float32, "BOOL": np.bool_}
NAMES = {np.dtype(kind): name for name, kind in DTYPES.items()}


@dataclass
class Segments:
    """n segments; the rows of segment i in a modality are ``offsets[m][i]`` to ``offsets[m][i + 1]``.

    ``streams`` (rows, D) float32, NaN where nothing was measured; ``offsets`` (n + 1,) int64, equal in all
    modalities when they are aligned; ``valid`` (rows,) bool: the row was measured (missing is not zero);
    ``intensities`` (n, 6) in MOSEI's column order; ``sentiment`` (n,); ``intervals`` (n, 2) seconds;
    ``segment_ids`` "<video>[i]" with i the label's row in its file; ``about``: the corpus and its policy.
    """

    streams: dict[Modality, np.ndarray]
    offsets: dict[Modality, np.ndarray]
    valid: dict[Modality, np.ndarray]
    intensities: np.ndarray
    sentiment: np.ndarray
    intervals: np.ndarray
    segment_ids: list[str]
    about: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.segment_ids)

    @property
    def videos(self) -> list[str]:
        """The video of each segment."""
        return [name.rpartition("[")[0] for name in self.segment_ids]


def write_segments(
    path: Path | str, segments: Segments | Iterable[Segments], about: dict[str, Any] | None = None
) -> None:
    """Write segments, or their parts one after the other, atomically.

    The streams of the parts wait in a folder beside the file, so only one part is in memory.  ``about``
    replaces the parts' own.  Raises `FacetoryError` when there is no part.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    spool = path.with_name(f".{path.stem}.spool")
    shutil.rmtree(spool, ignore_errors=True)
    spool.mkdir()
    try:
        with ExitStack() as stack:
            files = {m: stack.enter_context((spool / m).open("wb")) for m in MODALITIES}
            parts = []
            for part in [segments] if isinstance(segments, Segments) else segments:
                for m in MODALITIES:
                    files[m].write(np.ascontiguousarray(part.streams[m], np.float32).data)
                parts.append(_without_streams(part))
        if not parts:
            raise FacetoryError(f"{path}: there are no segments to write.")
        arrays = _joined(parts)
        shapes = {name: (NAMES[a.dtype], a.shape, a.nbytes) for name, a in arrays.items()}
        for m in MODALITIES:
            rows, width = len(arrays[f"valid.{m}"]), parts[0].streams[m].shape[1]
            shapes[f"streams.{m}"] = ("F32", (rows, width), rows * width * 4)
        kept = parts[0].about if about is None else about
        names = [name for part in parts for name in part.segment_ids]
        with written_aside(path) as aside, aside.open("wb") as handle:
            ordered = sorted(shapes, key=lambda name: list(DTYPES).index(shapes[name][0]))
            handle.write(_header({name: shapes[name] for name in ordered}, {"segment_ids": names, **kept}))
            for name in ordered:
                if name in arrays:
                    handle.write(np.ascontiguousarray(arrays[name]).data)
                else:
                    with (spool / name.partition(".")[2]).open("rb") as stream:
                        shutil.copyfileobj(stream, handle, 1 << 20)
    finally:
        shutil.rmtree(spool, ignore_errors=True)


def read_segments(path: Path | str) -> Segments:
    """Read what `write_segments` wrote; the arrays are mapped, so memory is used as they are touched.

    They may be written to: what is changed stays in memory.  Raises `FacetoryError` for a file that is
    missing, truncated or of another kind.
    """
    path = Path(path)
    with open_tensors(path) as handle:
        about = json.loads((handle.metadata() or {}).get("json", "{}"))
    if "segment_ids" not in about:
        raise FacetoryError(f"{path}: holds no segments. Run the target that makes it again.")
    arrays = dict(_mapped(path))
    streams, offsets, valid = (
        {m: arrays[f"{part}.{m}"] for m in MODALITIES} for part in ("streams", "offsets", "valid")
    )
    intensities, sentiment, intervals = (arrays[name] for name in ("intensities", "sentiment", "intervals"))
    ids = about.pop("segment_ids")
    return Segments(streams, offsets, valid, intensities, sentiment, intervals, ids, about)


def _without_streams(part: Segments) -> Segments:
    """The part with streams of no rows: their widths stay."""
    return replace(part, streams={m: np.empty((0, part.streams[m].shape[1])) for m in MODALITIES})


def _joined(parts: list[Segments]) -> dict[str, np.ndarray]:
    arrays = {}
    for m in MODALITIES:
        lengths = np.concatenate([np.diff(part.offsets[m]) for part in parts])
        arrays[f"offsets.{m}"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        arrays[f"valid.{m}"] = np.concatenate([part.valid[m] for part in parts]).astype(np.bool_)
    arrays["intensities"] = np.concatenate([part.intensities for part in parts]).astype(np.float32)
    arrays["sentiment"] = np.concatenate([part.sentiment for part in parts]).astype(np.float32)
    arrays["intervals"] = np.concatenate([part.intervals for part in parts]).astype(np.float64)
    return arrays


def _header(shapes: dict[str, tuple[str, tuple[int, ...], int]], metadata: dict[str, Any]) -> bytes:
    """A safetensors header; the widest numbers come first, so that every array is aligned."""
    entries: dict[str, Any] = {"__metadata__": {"json": json.dumps(metadata)}}
    end = 0
    for name, (dtype, shape, size) in shapes.items():
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _mapped(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    with path.open("rb") as handle:
        size = int.from_bytes(handle.read(8), "little")
        entries = json.loads(handle.read(size))
    for name, entry in entries.items():
        if name != "__metadata__":
            dtype, shape, start = DTYPES[entry["dtype"]], tuple(entry["shape"]), entry["data_offsets"][0]
            if 0 in shape:
                yield name, np.empty(shape, dtype)
            else:
                yield name, np.memmap(path, dtype, "c", 8 + size + start, shape)
