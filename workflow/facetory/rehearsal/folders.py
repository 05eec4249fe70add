"""A user's own folder with a folder per class, below folders of splits or without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from facetory.data.catalogue import entry, source_of
from facetory.data.index import SPLITS
from facetory.data.labels import BASIC
from facetory.rehearsal.bank import Face
from facetory.rehearsal.casting import asked, shots
from facetory.rehearsal.pictures import jpeg, write


def fabricate(
    data_root: Path, faces: Sequence[Face], sizes: Mapping[str, int], with_splits: bool = True
) -> None:
    """Write `folder`: ``sizes`` are images of train, validation and test, basic classes in turn.

    Without folders of splits the sum counts, and the loader draws a fifth of every class for test.
    """
    source, counts = source_of(entry("folder"), data_root), asked("folder", sizes, SPLITS)
    counts = counts if with_splits else {"train": sum(counts.values())}
    for split, number, label, face in shots("folder", faces, BASIC, counts):
        top = source / split if with_splits else source
        write(top / label.title() / f"{number + 1:04d}.jpg", jpeg(face.image))
