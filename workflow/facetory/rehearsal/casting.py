"""Faces of a bank dealt to the splits, classes and people of a set, each use of a face another picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from facetory.data.anny.expressions import BLENDS
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.randomness import generator
from facetory.pipeline.suggest import unknown
from facetory.rehearsal.bank import Face

GAIN = (0.85, 1.15)
"""Range by which the three colours of a picture are multiplied."""
MIRROR = [1, 0, 2, 4, 3]
"""The five points in the order in which a mirrored face has them."""


class Shot(NamedTuple):
    """Picture ``number`` (from 0) of a split, or of its person, with its label in the set ('' for none)."""

    split: str
    number: int
    label: str
    face: Face


def asked(name: str, sizes: Mapping[str, int], splits: Sequence[str]) -> dict[str, int]:
    """The sizes in the splits' order, 0 where none is given.

    Another split, a negative size and sizes that ask for nothing are `FacetoryError`s.
    """
    for split in sizes:
        if split not in splits:
            raise unknown("split", split, splits, f"{name}: sizes")
    if min(sizes.values(), default=0) < 0 or not any(sizes.values()):
        raise FacetoryError(f"{name}: sizes {dict(sizes)} ask for nothing. Give some of {', '.join(splits)}.")
    return {split: sizes.get(split, 0) for split in splits}


def shots(
    name: str, faces: Sequence[Face], classes: Sequence[str], sizes: Mapping[str, int]
) -> Iterator[Shot]:
    """``sizes[split]`` pictures of each split, two of one class, then two of the next (no classes: any face).

    A compound class is shown by the faces of its two basic ones.  Splits share no person where the bank has
    as many people as there are splits.  A class that no face shows is a `FacetoryError`.
    """
    people = list(by_person(faces))
    for place, (split, count) in enumerate(sizes.items()):
        own = set(people[place :: len(sizes)] if len(people) >= len(sizes) else people)
        cast = {label: _cast(faces, own, label, name) for label in classes or ("",)}
        for number in range(count):
            turn, twin = divmod(number, 2)
            label = list(cast)[turn % len(cast)]
            face = cast[label][(2 * (turn // len(cast)) + twin) % len(cast[label])]
            yield Shot(split, number, label, varied(face, name, split, number))


def portraits(name: str, faces: Sequence[Face], count: int) -> Iterator[Shot]:
    """``count`` pictures of people dealt evenly, person by person, numbered within each.

    People are the bank's first: as many as can have two pictures each, and two at least where there are two.
    """
    people = list(by_person(faces).values())[: max(2, count // 2)]
    for place, own in enumerate(people):
        for number in range(len(range(place, count, len(people)))):
            yield Shot("", number, "", portrait(name, own, number))


def portrait(name: str, own: Sequence[Face], number: int) -> Face:
    """Picture ``number`` of the person whose faces are given, for the set ``name``."""
    face = own[number % len(own)]
    return varied(face, name, face.person, number)


def by_person(faces: Sequence[Face]) -> dict[str, list[Face]]:
    """The faces of each person, both in the bank's order; an empty bank is a `FacetoryError`."""
    if not faces:
        raise FacetoryError("The bank of faces is empty. Render it with at least one person.")
    people: dict[str, list[Face]] = {}
    for face in faces:
        people.setdefault(face.person, []).append(face)
    return people


def varied(face: Face, *use: str | int) -> Face:
    """The face in another light, and mirrored in half of its uses: a function of (face, use) alone."""
    draw = generator(0, "rehearsal", *use)
    image, points = face.image, face.points
    if draw.random() < 0.5:
        image, points = image[:, ::-1], (points * (-1, 1) + (image.shape[1] - 1, 0))[MIRROR]
    lit = np.clip(np.rint(image * draw.uniform(*GAIN, 3)), 0, 255).astype(np.uint8)
    return face._replace(image=lit, points=points)


def _cast(faces: Sequence[Face], people: set[str], label: str, name: str) -> list[Face]:
    wanted = BLENDS.get(label, (label,))
    cast = [face for face in faces if face.person in people and (not label or face.label in wanted)]
    if not cast:
        raise FacetoryError(f"{name}: no face of the bank shows {label}. Use one of all basic expressions.")
    return cast
