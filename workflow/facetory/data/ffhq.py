"""FFHQ's thumbnails: 70,000 aligned photographs of 128 × 128 pixels (Karras, Laine and Aila, CVPR 2019).

Their authors' notice says that the set is not intended for the development of face recognition.
"""

from __future__ import annotations

import re
from pathlib import Path

from facetory.data.catalogue import Entry
from facetory.data.index import Odd, Sample
from facetory.data.listing import Choose, Found, Listing
from facetory.pipeline.files import FacetoryError

FOLDER = "thumbnails128x128"
NUMBER = re.compile(r"(\d{5})\.png")
SIZE = 70_000


def read(entry: Entry, source: Path, folder: Path, choose: Choose) -> Listing:
    """Samples of ``thumbnails128x128/00000.png`` …, or of its folders of a thousand, all to train on.

    The set names no people and no expressions.  Other files are told in the ledger; a number that stands
    twice, or that FFHQ does not have, is a `FacetoryError`.
    """
    images: dict[int, Path] = {}
    others = []
    for path in sorted((source / FOLDER).rglob("*")):
        match = NUMBER.fullmatch(path.name)
        if path.is_dir():
            continue
        if not match:
            others.append(Odd("", str(path.relative_to(source)), "its name is no number", "left out"))
            continue
        number = int(match[1])
        if number >= SIZE:
            raise FacetoryError(f"{path}: FFHQ's numbers end at {SIZE - 1}. Remove what is not FFHQ's.")
        if number in images:
            raise FacetoryError(f"{path}: {images[number]} is of that number too. Remove one of them.")
        images[number] = path
    if not images:
        raise FacetoryError(f"{source / FOLDER}: holds no image 00000.png. Place the thumbnails there.")
    found = [
        Found(
            Sample(f"ffhq_{number:05d}", "train", "", "", str(path.absolute())),
            str(path.relative_to(source)),
        )
        for number, path in sorted(images.items())
    ]
    return Listing(choose(found), entry.class_names, others, [], {})
