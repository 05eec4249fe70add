"""The figures' pictures inside the page: data URIs, no wider than a screen, together within a budget."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

WIDEST = 1400
EXACT = 80_000
"""Bytes up to which a picture is kept without loss."""
QUALITY = 80
BUDGET = 5_500_000
"""Characters that all the pictures of a page may take."""


class Picture(NamedTuple):
    """A picture as a data URI, with its size in pixels."""

    source: str
    width: int
    height: int


def pictures(paths: Iterable[Path]) -> dict[str, Picture]:
    """The PNGs that exist, by their stem; the largest are narrowed until all keep to `BUDGET`."""
    files = {path.stem: path for path in paths if path.is_file()}
    made = {name: picture(path) for name, path in files.items()}
    while made and sum(len(own.source) for own in made.values()) > BUDGET:
        name = max(made, key=lambda own: len(made[own].source))
        made[name] = picture(files[name], round(made[name].width * 0.8))
    return made


def picture(path: Path, widest: int = WIDEST) -> Picture:
    """A PNG as WebP, at most ``widest`` pixels wide; without loss where that is small, else at `QUALITY`.

    A PNG that is no larger than its WebP stays as it is.
    """
    from PIL import Image

    with Image.open(path) as opened:
        opened.load()
        image = opened.convert("RGB")
    narrow = image.width <= widest
    if not narrow:
        size = widest, round(image.height * widest / image.width)
        image = image.resize(size, Image.Resampling.LANCZOS)
    encoded = _webp(image, lossless=True)
    if len(encoded) > EXACT:
        encoded = _webp(image, quality=QUALITY)
    kind = "webp"
    if narrow and path.stat().st_size <= len(encoded):
        kind, encoded = "png", path.read_bytes()
    return Picture(f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}", *image.size)


def _webp(image: object, **options: object) -> bytes:
    written = io.BytesIO()
    image.save(written, "WEBP", method=4, **options)  # type: ignore[attr-defined]
    return written.getvalue()
