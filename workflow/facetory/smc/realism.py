"""Realism: how surely MTCNN sees a face (SMC, Section 3.4)."""

from __future__ import annotations

import numpy as np


def realism(images: np.ndarray) -> np.ndarray:
    """The highest face probability in RGB images, uint8 (n, 3, px, px); shape (n,), 0 where no face is."""
    from facetory.faces.mtcnn import Detection, detect

    settings = Detection()
    smallest = settings.min_face * settings.px
    found = (detect(image.transpose(1, 2, 0), settings.px, smallest, settings) for image in images)
    return np.array([faces.probabilities.max(initial=0.0) for faces in found])
