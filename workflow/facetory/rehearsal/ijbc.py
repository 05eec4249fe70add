"""IJB-C as insightface lays it out: loose crops, and the three texts of faces, points and pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from facetory.data.catalogue import entry, source_of
from facetory.data.ijbc import FACES, IMAGES, PAIRS, POINTS
from facetory.pipeline.files import FacetoryError, write_text
from facetory.pipeline.randomness import generator
from facetory.rehearsal.bank import Face
from facetory.rehearsal.casting import asked, by_person, portrait
from facetory.rehearsal.pictures import jpeg, write

MEDIA = (0, 1, 1)
"""The faces of a template: a still, and two frames of one video."""
FEWEST = 4


def fabricate(data_root: Path, faces: Sequence[Face], sizes: Mapping[str, int]) -> None:
    """Write `ijbc`: ``sizes`` are the templates of test, of three faces each; all pairs of them are listed.

    Every person has two templates at least, so that there are pairs of one person: fewer than `FEWEST`
    templates, or a bank of one person, is a `FacetoryError`.
    """
    source, count = source_of(entry("ijbc"), data_root), asked("ijbc", sizes, ("test",))["test"]
    people = list(by_person(faces).values())[: count // 2]
    if count < FEWEST or len(people) < 2:
        raise FacetoryError(
            f"ijbc: pairs of one person and of two need {FEWEST} templates and two people. Ask for more."
        )
    owner = {template: template % len(people) for template in range(1, count + 1)}
    listed: list[str] = []
    points: list[str] = []
    for template, person in owner.items():
        for place, medium in enumerate(MEDIA):
            number = len(listed) + 1
            face = portrait("ijbc", people[person], len(MEDIA) * template + place)
            write(source / IMAGES / f"{number}.jpg", jpeg(face.image))
            listed.append(f"{number}.jpg {template} {2 * template + medium}\n")
            score = generator(0, "rehearsal", "ijbc score", number).uniform(0.7, 1)
            values = " ".join(f"{value:.3f}" for value in (*face.points.ravel(), score))
            points.append(f"{number}.jpg {values}\n")
    pairs = [f"{a} {b} {int(owner[a] == owner[b])}\n" for a, b in combinations(owner, 2)]
    for text, lines in ((FACES, listed), (POINTS, points), (PAIRS, pairs)):
        write_text(source / text, "".join(lines))
