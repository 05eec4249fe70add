"""FFHQ's thumbnails, in its folders of a thousand or in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from facetory.data.catalogue import entry, source_of
from facetory.data.ffhq import FOLDER
from facetory.rehearsal.bank import Face
from facetory.rehearsal.casting import asked, shots
from facetory.rehearsal.pictures import fitted, png, write

PX, OF_FOLDER = 128, 1000


def fabricate(
    data_root: Path, faces: Sequence[Face], sizes: Mapping[str, int], in_folders: bool = True
) -> None:
    """Write `ffhq`: ``sizes`` are the images of train."""
    source = source_of(entry("ffhq"), data_root) / FOLDER
    for shot in shots("ffhq", faces, (), asked("ffhq", sizes, ("train",))):
        folder = f"{shot.number // OF_FOLDER * OF_FOLDER:05d}" if in_folders else ""
        write(source / folder / f"{shot.number:05d}.png", png(fitted(shot.face.image, PX, PX)))
