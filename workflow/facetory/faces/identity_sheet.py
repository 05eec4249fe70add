"""A labelled sheet of faces, a row per identity, so that a person sees who is alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facetory.faces.contact_sheet import FONT_SIZE, GAP, HEADER, TILE
from facetory.pipeline.files import written_aside


def write_sheet(path: Path | str, faces: Mapping[str, np.ndarray], title: str) -> None:
    """Write the sheet as PNG: rows are identities by name, columns their images, uint8 (m, 3, px, px).

    The title heads the sheet, the number of an image its column.
    """
    font = ImageFont.load_default(FONT_SIZE)
    across = max(len(images) for images in faces.values())
    label = max(int(font.getlength(name)) for name in faces) + 3 * GAP
    heading = int(font.getlength(title)) + 2 * GAP
    width = max(label + across * (TILE + GAP), heading)
    sheet = Image.new("RGB", (width, 2 * HEADER + len(faces) * (TILE + GAP)), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, HEADER / 2), title, "black", font, anchor="lm")
    for j in range(across):
        draw.text((label + j * (TILE + GAP) + TILE / 2, 1.5 * HEADER), str(j), "black", font, anchor="mm")
    for i, (name, images) in enumerate(faces.items()):
        top = 2 * HEADER + i * (TILE + GAP)
        draw.text((label - 2 * GAP, top + TILE / 2), name, "black", font, anchor="rm")
        for j, image in enumerate(images):
            tile = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
            tile = tile.resize((TILE, TILE), Image.Resampling.LANCZOS)
            sheet.paste(tile, (label + j * (TILE + GAP), top))
    with written_aside(path) as aside:
        sheet.save(aside, format="PNG")
