"""LFW's photographs in a folder per person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from facetory.data.catalogue import entry, source_of
from facetory.data.lfw_people import FOLDERS
from facetory.rehearsal.bank import Face
from facetory.rehearsal.casting import asked, portraits
from facetory.rehearsal.pictures import fitted, jpeg, write

PX = 250


def fabricate(
    data_root: Path, faces: Sequence[Face], sizes: Mapping[str, int], folder: str = FOLDERS[0]
) -> None:
    """Write `lfw_people`: ``sizes`` are the images of test, dealt to people as `portraits` says.

    ``folder`` is one of the names that the set comes under.
    """
    source = source_of(entry("lfw_people"), data_root) / folder
    count = asked("lfw_people", sizes, ("test",))["test"]
    numbers: dict[str, int] = {}
    for shot in portraits("lfw_people", faces, count):
        name = f"Rendered_{_letters(numbers.setdefault(shot.face.person, len(numbers)))}"
        write(source / name / f"{name}_{shot.number + 1:04d}.jpg", jpeg(fitted(shot.face.image, PX, PX)))


def _letters(number: int) -> str:
    """A number as a name of three letters or more: Aaa, Aab, …"""
    letters = ""
    while number or len(letters) < 3:
        number, digit = divmod(number, 26)
        letters = chr(ord("a") + digit) + letters
    return letters.title()
