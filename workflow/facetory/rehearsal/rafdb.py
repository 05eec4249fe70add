"""RAF-DB in its authors' layout: photographs, aligned faces and the label file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from facetory.data.catalogue import entry, source_of
from facetory.data.rafdb import CODES, LABEL_FILE
from facetory.pipeline.files import write_text
from facetory.rehearsal.bank import Face
from facetory.rehearsal.casting import asked, shots
from facetory.rehearsal.pictures import fitted, jpeg, write

KINDS = ("original", "aligned")
ALIGNED_PX = 100


def fabricate(
    name: str,
    data_root: Path,
    faces: Sequence[Face],
    sizes: Mapping[str, int],
    kinds: Sequence[str] = KINDS,
) -> None:
    """Write `rafdb_basic` or `rafdb_compound`: ``sizes`` are images of train and test, classes in turn.

    ``kinds`` are the folders of `Image` that are written.
    """
    dataset = entry(name)
    source, lines = source_of(dataset, data_root), []
    codes = {label: code for code, label in CODES[dataset.classes].items()}
    for shot in shots(name, faces, dataset.class_names, asked(name, sizes, ("train", "test"))):
        digits = len(str(dataset.counts[shot.split]))  # type: ignore[index]
        stem = f"{shot.split}_{shot.number + 1:0{digits}d}"
        image = shot.face.image
        pictures = {
            "original": (f"{stem}.jpg", image),
            "aligned": (f"{stem}_aligned.jpg", fitted(image, ALIGNED_PX, ALIGNED_PX)),
        }
        for kind in kinds:
            file, pixels = pictures[kind]
            write(source / "Image" / kind / file, jpeg(pixels))
        lines.append(f"{stem}.jpg {codes[shot.label]}\n")
    write_text(source / LABEL_FILE, "".join(lines))
