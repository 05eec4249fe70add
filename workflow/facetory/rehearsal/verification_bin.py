"""insightface's `.bin` verification sets, pickles of encoded pictures and booleans, written by hand."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from facetory.data.catalogue import entry, source_of
from facetory.pipeline.files import FacetoryError, written_aside
from facetory.rehearsal.bank import Face
from facetory.rehearsal.casting import asked, by_person, portrait
from facetory.rehearsal.pictures import jpeg
from facetory.rehearsal.turned import turned

PX = 112


def fabricate(name: str, data_root: Path, faces: Sequence[Face], sizes: Mapping[str, int]) -> None:
    """Write `lfw`, `agedb_30`, `cfp_fp`, `calfw` or `cplfw`: ``sizes`` are the pairs of test.

    Pairs of one person and of two alternate, and no picture stands twice.  The reader takes any number of
    pairs from one; ten folds that each hold both kinds need twenty.  A bank of one person is a
    `FacetoryError`.
    """
    count = asked(name, sizes, ("test",))["test"]
    people = list(by_person(faces).values())
    if len(people) < 2:
        raise FacetoryError(f"{name}: pairs of two people need two in the bank. Render more people.")
    pictures, same = [], []
    for pair in range(count):
        first = people[pair // 2 % len(people)]
        second = people[(pair // 2 + 1) % len(people)] if pair % 2 else first
        for place, own in enumerate((first, second)):
            pictures.append(jpeg(turned(portrait(name, own, 2 * pair + place), PX)))
        same.append(pair % 2 == 0)
    with written_aside(source_of(entry(name), data_root) / f"{name}.bin") as aside:
        aside.write_bytes(pickled(pictures, same))


def pickled(pictures: Sequence[bytes], same: Sequence[bool]) -> bytes:
    """A pickle of (pictures, same), protocol 2, the pictures as Python 2's strings as in the real files."""
    strings = b"".join(b"T" + struct.pack("<i", len(picture)) + picture for picture in pictures)
    answers = b"".join(b"\x88" if answer else b"\x89" for answer in same)
    return b"\x80\x02" + b"](" + strings + b"e" + b"](" + answers + b"e" + b"\x86."
