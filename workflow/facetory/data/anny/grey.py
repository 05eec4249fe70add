"""Renders as FER2013 stores its faces: cut tightly, small and grey."""

from __future__ import annotations

import numpy as np

PX = 48
BOX = (1 / 8, 5 / 32, 7 / 8, 29 / 32)
"""Left, top, right and lower edge of the cut as shares of a render's side."""


def tight(image: np.ndarray) -> np.ndarray:
    """The middle three quarters of a square render (n, n, 3), uint8, as grey RGB (`PX`, `PX`, 3)."""
    from PIL import Image

    side = image.shape[0]
    left, top, right, bottom = (share * side for share in BOX)
    small = (
        Image.fromarray(image).convert("L").resize((PX, PX), Image.Resampling.BOX, (left, top, right, bottom))
    )
    return np.asarray(small.convert("RGB"))
