"""FER2013Plus: FER2013's pixels with ten people's votes on each face (Barsoum et al., ICMI 2016).

The rows of fer2013new.csv belong to those of fer2013.csv in order, as the set's own
``src/generate_training_data.py`` pairs them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from facetory.data import fer2013
from facetory.data.catalogue import Entry
from facetory.data.index import Odd, Sample, read_csv
from facetory.data.labels import BASIC
from facetory.data.listing import Choose, Found, Listing
from facetory.pipeline.files import FacetoryError, sha256_of

FILE = "fer2013new.csv"
VOTED = (
    *("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"),
    *("contempt", "unknown", "NF"),
)
"""What people voted for, in the order of the file's columns; NF is no face."""
NAME = re.compile(r"fer\d{7}\.png")


class Face(NamedTuple):
    """A row of votes with its line, and the line of fer2013.csv that holds its pixels."""

    line: int
    pixels: int
    usage: str
    name: str
    votes: tuple[int, ...]


def majority(votes: Sequence[int]) -> str:
    """The class with more than half of the votes that are left when single votes are struck, else 'unknown'.

    ``votes`` are counts in the order of `VOTED` (the set's own ``src/ferplus.py``, mode ``majority``).
    """
    kept = [count if count > 1 else 0 for count in votes]
    top = max(kept)
    return VOTED[kept.index(top)] if 2 * top > sum(kept) else "unknown"


def argmax(votes: Sequence[int]) -> str:
    """The class with the most votes; of equals, the first in the order of `VOTED`."""
    return VOTED[votes.index(max(votes))]


RULES = {"fer2013plus": majority, "fer2013plus_argmax": argmax}
"""The rule that makes a label of the votes, by dataset."""


def read(entry: Entry, source: Path, folder: Path, choose: Choose) -> Listing:
    """Samples of the seven basic expressions among the faces that have a name, one for each name.

    Rows without a name, a name's later rows, and faces that the rule gives another label are left out; the
    ledger names or counts them.  The pixels of the chosen rows are written as RGB PNG files into
    ``folder/images``.  Files whose rows do not pair, a malformed name or vote is a `FacetoryError` with its
    line; a file with another hash than the published one is noted in the ledger.
    """
    votes, pixels, rule = source / FILE, source / fer2013.FILE, RULES[entry.name]
    faces, ledger = _named(_faces(votes, pixels))
    labels = {face.name: rule(face.votes) for face in faces}
    others = Counter((fer2013.SPLITS[face.usage], labels[face.name]) for face in faces)
    ledger += [
        Odd("", FILE, f"{split}: {number} faces are labelled {label!r}", "left out")
        for (split, label), number in others.items()
        if label not in BASIC
    ]
    chosen = choose(
        [
            Found(_sample(face, labels[face.name], folder), FILE, face.line)
            for face in faces
            if labels[face.name] in BASIC
        ]
    )
    lines = {face.line: face.pixels for face in faces}
    fer2013.write_pictures(pixels, {lines[int(item.row)]: Path(item.sample.image) for item in chosen})
    notes = {
        "rule": rule.__name__,
        "named_faces": dict(Counter(fer2013.SPLITS[face.usage] for face in faces)),
    }
    odd = [*_other_hash(entry, votes), *fer2013.other_hash(pixels)]
    return Listing(chosen, entry.class_names, ledger + odd, [votes, pixels], notes)


def _named(rows: Iterable[Face]) -> tuple[list[Face], list[Odd]]:
    """The first face of each name; what is left out has a ledger row, the nameless one for each split."""
    faces: dict[str, Face] = {}
    ledger, nameless = [], Counter[str]()
    for face in rows:
        if not face.name:
            nameless[fer2013.SPLITS[face.usage]] += 1
        elif face.name in faces:
            problem = f"{face.name} stands in line {faces[face.name].line} already"
            ledger.append(Odd(face.line, FILE, problem, "left out"))
        else:
            faces[face.name] = face
    ledger += [
        Odd("", FILE, f"{split}: {number} rows name no image", "left out")
        for split, number in nameless.items()
    ]
    return list(faces.values()), ledger


def _sample(face: Face, label: str, folder: Path) -> Sample:
    image = str((folder / "images" / face.name).absolute())
    return Sample(Path(face.name).stem, fer2013.SPLITS[face.usage], label, "", image)


def _faces(votes: Path, pixels: Path) -> Iterator[Face]:
    """The rows of the two files in pairs."""
    pairs = zip_longest(read_csv(votes, ("Usage", "Image name", *VOTED)), fer2013.rows(pixels))
    for ours, theirs in pairs:
        if ours is None or theirs is None:
            longer, line = (votes, ours[0]) if ours else (pixels, theirs[0])
            raise _error(longer, line, "the other file has no such row")
        (line, row), (at, pixel_row) = ours, theirs
        if row["Usage"] != pixel_row["Usage"] or row["Usage"] not in fer2013.SPLITS:
            raise _error(
                votes, line, f"usage {row['Usage']!r}, but {pixel_row['Usage']!r} in {pixels} line {at}"
            )
        name, counts = row["Image name"].strip(), [row[column].strip() for column in VOTED]
        if name and not NAME.fullmatch(name):
            raise _error(votes, line, f"image name {name!r} is not of the form 'fer0000001.png'")
        if not all(count.isascii() and count.isdigit() for count in counts) or not any(map(int, counts)):
            raise _error(votes, line, f"{', '.join(counts)} are no votes")
        yield Face(line, at, row["Usage"], name, tuple(map(int, counts)))


def _other_hash(entry: Entry, votes: Path) -> list[Odd]:
    found, published = sha256_of(votes), entry.downloads[FILE].sha256
    return [] if found == published else [Odd("", FILE, f"sha256 {found}, published {published}", "kept")]


def _error(path: Path, line: int, problem: str) -> FacetoryError:
    return FacetoryError(
        f"{path} line {line}: {problem}. Move {FILE} away and run: facetory data fetch fer2013plus; or "
        f"restore {fer2013.FILE} from your copy of FER2013."
    )
