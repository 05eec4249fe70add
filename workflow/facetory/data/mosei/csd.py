"""Computational sequences: the `.csd` files (HDF5) of the CMU multimodal SDK, one video read at a time.

A file has one root group, ``<root>/data/<video>/{features (n, d), intervals (n, 2) in seconds}``; the root's
name is free.  What breaks this layout is a `FacetoryError`; odd content (a row too many, NaN, −inf) is read
as it is, and is the ledger's matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from facetory.pipeline.files import FacetoryError

if TYPE_CHECKING:
    import h5py

NUMBERS, STRINGS = "fiu", "SO"
SAYS = {NUMBERS: "numbers", STRINGS: "words"}
ALIGNED_ID = re.compile(r"\[\d+\]$")
PLACE_AGAIN = "The copy is damaged or of another kind; place the file again."


class Stream(NamedTuple):
    """One video: ``features`` (n, d) and ``intervals`` (m, 2) seconds; n = m as a rule."""

    features: np.ndarray
    intervals: np.ndarray


class Csd:
    """An open file: its video ids in order, and each video's stream when it is asked for."""

    def __init__(self, path: Path, data: h5py.Group, width: int | None, kinds: str = NUMBERS) -> None:
        self.path, self.data, self.kinds = path, data, kinds
        self.videos = tuple(sorted(data.keys()))
        self._known = frozenset(self.videos)
        if not self.videos:
            raise FacetoryError(f"{path}: no video in the data group. {PLACE_AGAIN}")
        for video in self.videos:
            if ALIGNED_ID.search(video):
                raise FacetoryError(
                    f"{path}: '{video}' is the id of a segment: the file is aligned already. "
                    "Place the SDK's raw file."
                )
        self.width = width or self._checked(self.videos[0], None)[0].shape[1]

    def __contains__(self, video: object) -> bool:
        return video in self._known

    def read(self, video: str, rows: int | None = None) -> Stream:
        """A video's features (numbers as float32) and intervals (float64); ``rows``: only the first."""
        features, intervals = self._checked(video, self.width)
        try:
            values, spans = features[:rows], intervals[:rows].astype(np.float64, copy=False)
        except OSError as error:
            raise FacetoryError(f"{self.path}: {video} cannot be read ({error}). {PLACE_AGAIN}") from error
        with np.errstate(over="ignore"):
            return Stream(values.astype(np.float32, copy=False) if self.kinds == NUMBERS else values, spans)

    def lengths(self, video: str) -> tuple[int, int]:
        """How many features and how many intervals a video has; nothing is read."""
        features, intervals = self._checked(video, self.width)
        return features.shape[0], intervals.shape[0]

    def check(self) -> None:
        """Check the layout of every video; no array is read."""
        for video in self.videos:
            self._checked(video, self.width)

    def _checked(self, video: str, width: int | None) -> tuple[h5py.Dataset, h5py.Dataset]:
        where = f"{self.path}: {video}"
        group = _member(self.data, video, where)
        features = _array(group, "features", where, self.kinds)
        intervals = _array(group, "intervals", where, NUMBERS)
        if features.ndim != 2 or (width and features.shape[1] != width):
            expected = f"(n, {width})" if width else "(n, d)"
            raise FacetoryError(
                f"{where}: features have the shape {features.shape}, expected {expected}. "
                "Another feature set was placed under this name; place the right file."
            )
        if intervals.ndim != 2 or intervals.shape[1] != 2:
            raise FacetoryError(
                f"{where}: intervals have the shape {intervals.shape}, expected (n, 2). {PLACE_AGAIN}"
            )
        return features, intervals


@contextmanager
def open_csd(path: Path | str, width: int | None = None, kinds: str = NUMBERS) -> Iterator[Csd]:
    """Open a `.csd` file; ``width`` is the features' number of columns (None: the first video's).

    ``kinds`` is `NUMBERS`, or `STRINGS` for the words, whose features are bytes.

    Raises `FacetoryError` for a file that is missing, not HDF5, without exactly one root group and its data
    group, or that leads out of itself by links; a video's own layout is checked when it is read, or by
    `Csd.check`.
    """
    import h5py

    path = Path(path)
    if not path.is_file():
        raise FacetoryError(f"{path}: the file is missing. Place it, or run the target that makes it.")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise FacetoryError(f"{path}: not an HDF5 file ({error}). {PLACE_AGAIN}") from error
    with file:
        roots = list(file.keys())
        if len(roots) != 1:
            raise FacetoryError(f"{path}: {len(roots)} root groups, expected one. {PLACE_AGAIN}")
        root = _member(file, roots[0], str(path))
        yield Csd(path, _member(root, "data", f"{path}: {roots[0]}"), width, kinds)


def _member(group: h5py.Group, name: str, where: str) -> Any:
    """A member of a group that is itself a group and no link to elsewhere."""
    import h5py

    found = _hard(group, name, where)
    if not isinstance(found, h5py.Group):
        raise FacetoryError(f"{where}: '{name}' is no group. {PLACE_AGAIN}")
    return found


def _array(group: h5py.Group, name: str, where: str, kinds: str) -> Any:
    """A dataset of some kinds of data (NumPy's letters) whose bytes lie in this file."""
    import h5py

    found = _hard(group, name, where)
    if not isinstance(found, h5py.Dataset) or found.dtype.kind not in kinds:
        raise FacetoryError(f"{where}: '{name}' is no array of {SAYS[kinds]}. {PLACE_AGAIN}")
    if found.external or found.is_virtual:
        raise FacetoryError(f"{where}: '{name}' takes its content from another file, which is refused.")
    return found


def _hard(group: h5py.Group, name: str, where: str) -> Any:
    import h5py

    try:
        link = group.id.links.get_info(name.encode())
    except (KeyError, RuntimeError) as error:
        raise FacetoryError(f"{where}: '{name}' is missing. {PLACE_AGAIN}") from error
    if link.type != h5py.h5l.TYPE_HARD:
        raise FacetoryError(f"{where}: '{name}' is a link to elsewhere, which is refused. {PLACE_AGAIN}")
    try:
        return group[name]
    except (KeyError, OSError, RuntimeError) as error:
        raise FacetoryError(f"{where}: '{name}' cannot be read ({error}). {PLACE_AGAIN}") from error
