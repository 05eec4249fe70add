"""FER2013's table of pixels, and FER2013Plus's of votes, whose rows belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from facetory.data import fer2013, fer2013plus
from facetory.data.anny.grey import tight
from facetory.data.catalogue import entry, source_of
from facetory.data.index import write_csv
from facetory.data.labels import FER2013
from facetory.rehearsal.bank import Face
from facetory.rehearsal.casting import asked, shots

USAGES = {split: usage for usage, split in fer2013.SPLITS.items()}
CONTESTED, NAMELESS = 20, 50
"""Of every 20 faces one has no majority, of every 50 one has no name."""
CLEAR, DIVIDED = (8, 1, 1), (4, 3, 3)
"""Ten votes: for the face's class, for the next one in the file, and for "unknown"."""


def fabricate(data_root: Path, faces: Sequence[Face], sizes: Mapping[str, int]) -> None:
    """Write `fer2013` and `fer2013plus`: fer2013.csv and fer2013new.csv.

    ``sizes`` are rows of train, validation and test, classes in turn.  FER2013Plus leaves out those without
    a majority or a name: the 20th, 40th, … and the 50th, 100th, … of each split.
    """
    dataset = entry("fer2013")
    codes = {label: code for code, label in FER2013.items()}
    pixels, votes = [], []
    counts = asked("fer2013", sizes, tuple(USAGES))
    for row, shot in enumerate(shots("fer2013", faces, dataset.class_names, counts)):
        usage, nth = USAGES[shot.split], shot.number + 1
        grey = tight(shot.face.image)[..., 0]
        pixels.append((codes[shot.label], " ".join(map(str, grey.ravel().tolist())), usage))
        name = "" if nth % NAMELESS == 0 else f"fer{row:07d}.png"
        votes.append((usage, name, *_votes(shot.label, CLEAR if nth % CONTESTED else DIVIDED)))
    source = source_of(dataset, data_root)
    write_csv(source / fer2013plus.FILE, ("Usage", "Image name", *fer2013plus.VOTED), votes)
    write_csv(source / fer2013.FILE, ("emotion", "pixels", "Usage"), pixels)


def _votes(label: str, numbers: Sequence[int]) -> list[int]:
    """Ten votes, in the order of the file's columns."""
    basic = len(FER2013)
    first = fer2013plus.VOTED.index(label)
    votes = [0] * len(fer2013plus.VOTED)
    voted = (first, (first + 1) % basic, fer2013plus.VOTED.index("unknown"))
    for column, number in zip(voted, numbers, strict=True):
        votes[column] = number
    return votes
