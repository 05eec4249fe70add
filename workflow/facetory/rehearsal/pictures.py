"""Pictures as files: encoded JPEG and PNG of any size, written whole."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from facetory.pipeline.files import written_aside

QUALITY = 95


def fitted(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """The middle of a picture (h, w, 3), as (height, width, 3) uint8."""
    size = (width, height)
    return np.asarray(ImageOps.fit(Image.fromarray(image), size, Image.Resampling.BICUBIC))


def jpeg(image: np.ndarray) -> bytes:
    """A picture (h, w, 3) uint8 as a JPEG file."""
    return _encoded(image, format="JPEG", quality=QUALITY)


def png(image: np.ndarray) -> bytes:
    """A picture (h, w, 3) uint8 as a PNG file."""
    return _encoded(image, format="PNG", compress_level=4)


def write(path: Path, content: bytes) -> None:
    """Write a file whole, without waiting for the disk."""
    with written_aside(path, durable=False) as aside:
        aside.write_bytes(content)


def _encoded(image: np.ndarray, **options: str | int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, **options)  # type: ignore[arg-type]
    return buffer.getvalue()
