"""SFEW 2.0's aligned faces in a folder per class, and the test faces without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from facetory.data.catalogue import entry, source_of
from facetory.data.sfew import CLASSES, SPLITS, WITHHELD
from facetory.rehearsal.bank import Face
from facetory.rehearsal.casting import asked, shots
from facetory.rehearsal.pictures import fitted, png, write

WIDTH, HEIGHT = 143, 181


def fabricate(data_root: Path, faces: Sequence[Face], sizes: Mapping[str, int]) -> None:
    """Write `sfew`: ``sizes`` are images of train, validation and test, classes in turn.

    Those of test lie in one folder, as the set withholds their labels.
    """
    dataset = entry("sfew")
    source, folders = source_of(dataset, data_root), {label: name for name, label in CLASSES.items()}
    for part in SPLITS.values():
        for folder in CLASSES:
            (source / part / folder).mkdir(parents=True, exist_ok=True)
    for shot in shots("sfew", faces, dataset.class_names, asked("sfew", sizes, (*SPLITS, "test"))):
        place = Path(SPLITS[shot.split], folders[shot.label]) if shot.split in SPLITS else Path(WITHHELD)
        file = f"Rehearsal_{40 * shot.number:09d}_{shot.number:08d}.png"
        write(source / place / file, png(fitted(shot.face.image, WIDTH, HEIGHT)))
