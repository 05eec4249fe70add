"""A bank of rendered faces (CC0): every person with each of the seven basic expressions."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from facetory.data.anny.dataset import render
from facetory.data.images import read_image
from facetory.data.index import image_path, read_index
from facetory.data.labels import BASIC

DATASET = "anny_basic"
PX = 256
USUAL = ((0.38, 0.47), (0.60, 0.47), (0.49, 0.62), (0.40, 0.73), (0.58, 0.73))
"""The five points in shares of the side, where the detector finds no face."""


class Face(NamedTuple):
    """A square picture (h, w, 3) uint8 RGB of a whole head, its basic expression, who it is, and the five
    points (5, 2) in pixels: x and y of eyes, nose and corners of the mouth, left to right as seen."""

    image: np.ndarray
    label: str
    person: str
    points: np.ndarray


def bank(folder: Path | str, people: int, processes: int = 1) -> list[Face]:
    """Seven faces of `PX` pixels of each of ``people`` people, person by person.

    They are rendered into ``folder`` by up to ``processes`` processes, which change no picture; what lies
    there whole is kept.  Raises `FacetoryError` when a rendering process dies.
    """
    folder = Path(folder)
    render(DATASET, {"people": {"train": people}, "images": 1}, folder, processes=processes, pixels=PX)
    index, faces = folder / "index.csv", []
    for sample in read_index(index, BASIC):
        image = read_image(image_path(index, sample))
        faces.append(Face(image, sample.label, sample.person, _points(image)))
    return faces


def _points(image: np.ndarray) -> np.ndarray:
    from facetory.faces import mtcnn

    found = mtcnn.find_faces(image, mtcnn.Detection(), 0.9).landmarks
    return found[0] if len(found) else np.array(USUAL) * len(image)
