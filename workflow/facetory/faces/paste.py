"""An edited face put back into its photograph: the way of `crop`, backwards."""

from __future__ import annotations

import numpy as np
from PIL import Image

SOFT = 0.12
"""The edge that fades, as a fraction of the square's side."""


def paste(photograph: np.ndarray, face: np.ndarray, box: np.ndarray, soft: float = SOFT) -> np.ndarray:
    """A copy of an RGB photograph (h, w, 3) with a face (px, px, 3) laid over the square it was cut from.

    All uint8.  ``box``: x0, y0, x1, y1 in the photograph, fractions allowed; what lies outside is left out.
    The face's weight rises smoothly from 0 at the square's edges to 1 at ``soft`` sides within.
    """
    height, width = photograph.shape[:2]
    side, px = box[2] - box[0], len(face)
    x0, y0 = np.ceil(box[:2]).clip(0).astype(int).tolist()
    x1, y1 = np.minimum(np.floor(box[2:]), [width, height]).astype(int).tolist()
    if x1 <= x0 or y1 <= y0:
        return photograph.copy()
    seen = ((np.array([x0, y0, x1, y1]) - np.tile(box[:2], 2)) * (px / side)).clip(0, px)
    resized = Image.fromarray(face).resize((x1 - x0, y1 - y0), Image.Resampling.BICUBIC, box=tuple(seen))
    weight = np.outer(_fade(y0, y1, box[1], side, soft), _fade(x0, x1, box[0], side, soft))[..., None]
    result = photograph.copy()
    under = result[y0:y1, x0:x1].astype(float)
    blended = under + weight * (np.asarray(resized, dtype=float) - under)
    result[y0:y1, x0:x1] = np.rint(blended).astype(np.uint8)
    return result


def _fade(first: int, last: int, start: float, side: float, soft: float) -> np.ndarray:
    """Weights of the pixels first … last − 1 of a line whose square begins at ``start``."""
    at = (np.arange(first, last) + 0.5 - start) / side
    inside = np.minimum(at, 1 - at).clip(0) / max(soft, 1e-9)
    ramp = inside.clip(0, 1)
    return ramp * ramp * (3 - 2 * ramp)
