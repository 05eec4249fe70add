"""Records without the pictures and face descriptions that they hold: what an archive may show."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from facetory.pipeline.files import open_tensors, read_json, read_metadata, write_json, write_tensors

TEMPLATES = ("embeddings",)
"""Arrays that describe a face to a network of recognition, and so tell people apart."""
SMALLEST = 8
"""Pixels on a side from which an array counts as pictures."""


class Reduced(BaseModel):
    """What was left out of a file: its arrays, its sha256 with them and its sha256 without."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    without: list[str]
    whole: str
    sha256: str


class Split(NamedTuple):
    """The names of a file's arrays that an archive shows, and of those that it leaves out."""

    shown: list[str]
    left_out: list[str]


def split(path: Path | str) -> Split:
    """Which arrays of a safetensors file are pictures, latents or templates of faces."""
    with open_tensors(path) as handle:
        parts = {name: handle.get_slice(name) for name in handle.keys()}  # noqa: SIM118
        out = [name for name, own in parts.items() if name in TEMPLATES or _picture(own.get_shape())]
    return Split([name for name in parts if name not in out], out)


def write_reduced(path: Path | str, source: Path | str, shown: list[str]) -> None:
    """Copy some arrays of a safetensors file, with its metadata."""
    arrays: dict[str, np.ndarray] = {}
    with open_tensors(source) as handle:
        arrays = {name: handle.get_tensor(name) for name in shown}
    write_tensors(path, arrays, read_metadata(source))


def vouch(root: Path, reduced: dict[str, Reduced]) -> None:
    """Let the manifests of a copy vouch for its reduced files, so that what reads them can check them."""
    for name, own in reduced.items():
        path = (root / name).with_name("manifest.json")
        about = read_json(path)
        if about["outputs"].get(Path(name).name) == own.whole:
            about["outputs"][Path(name).name] = own.sha256
            write_json(path, about)


def _picture(shape: list[int]) -> bool:
    """Whether arrays of this shape may be square pictures or latents: (…, c, h, w) or (…, h, w, c)."""
    return len(shape) >= 4 and any(a == b >= SMALLEST for a, b in pairwise(shape[1:]))
