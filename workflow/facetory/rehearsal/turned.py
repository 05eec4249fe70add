"""Faces of the bank turned to the five-point template of face recognition."""

from __future__ import annotations

import numpy as np

from facetory.faces.template import points, similarity, warp
from facetory.rehearsal.bank import Face


def turned(face: Face, px: int) -> np.ndarray:
    """The face as recognisers take it, (px, px, 3) uint8."""
    return warp(face.image, similarity(face.points, points(px)), px)
