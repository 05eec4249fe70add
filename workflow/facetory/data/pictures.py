"""Pictures as a caller hands them over: a file, a PIL image, or an array."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facetory.data.images import read_image, rgb
from facetory.pipeline.files import FacetoryError

if TYPE_CHECKING:
    from PIL import Image

    Picture = str | Path | Image.Image | np.ndarray


def pixels(picture: Picture) -> np.ndarray:
    """A path, PIL image or uint8 array (h, w) or (h, w, 3) as RGB, uint8 (h, w, 3), upright."""
    if isinstance(picture, str | Path):
        return read_image(picture)
    if isinstance(picture, np.ndarray):
        image = np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise FacetoryError(
                f"an array of {picture.dtype} {picture.shape} is no picture: give uint8 (height, width, 3)."
            )
        return image
    try:
        return rgb(picture)
    except (ValueError, AttributeError, OSError) as error:
        raise FacetoryError(f"{picture!r} is no picture that can be read ({error}).") from error


def name_of(picture: Any, otherwise: str) -> str:
    """What to call a picture in a message: its path, or ``otherwise``."""
    return str(picture) if isinstance(picture, str | Path) else otherwise
