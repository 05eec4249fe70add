"""Reading images as users bring them: rotated, CMYK, transparent, 16-bit, grey, or broken."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from facetory.pipeline.files import FacetoryError

MAX_PIXELS = 100_000_000
IMAGE_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
_DECODER_ERRORS = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def read_image(path: Path | str) -> np.ndarray:
    """An image file as RGB, uint8, shape (height, width, 3).

    EXIF rotation is applied, transparency is laid over white, 16-bit greys are divided by 257, CMYK and
    palettes are converted, and of an animation the first frame is taken.  A file that is missing, empty,
    truncated, corrupt, above `MAX_PIXELS` or of floating-point pixels is a `FacetoryError` that names it.
    """
    path = Path(path)
    if path.is_dir():
        raise FacetoryError(f"{path}: a folder stands where an image is expected. Restore the image.")
    if not path.is_file():
        raise FacetoryError(f"{path}: the image is missing. Restore it from its source.")
    if path.stat().st_size == 0:
        raise FacetoryError(f"{path}: the image file is empty. Restore it from its source.")
    try:
        return _decoded(path)
    except _DECODER_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise FacetoryError(
            f"{path}: the image cannot be decoded ({reason}). Restore it from its source."
        ) from error


def _decoded(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return rgb(image)


def rgb(image: Image.Image) -> np.ndarray:
    """A PIL image as RGB, as `read_image` gives a file; one that it would refuse is a ValueError."""
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width} × {image.height} pixels are more than {MAX_PIXELS:,}")
    if image.mode == "F":
        raise ValueError("floating-point pixels have no defined range; convert it to 8 bits")
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        grey = np.clip(np.asarray(upright).astype(np.int64), 0, 65535) / 257
        return np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=2)
    if "transparency" in upright.info or upright.mode in {"RGBA", "LA", "PA", "La", "RGBa"}:
        upright = upright.convert("RGBA")
        white = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(white, upright)
    return np.asarray(upright.convert("RGB"))
