"""A labelled sheet of aligned faces, a row a class, so that a person sees what the networks see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facetory.data.labels import BASIC, COMPOUND
from facetory.pipeline.files import written_aside
from facetory.pipeline.randomness import generator

TILE, GAP, LABEL_WIDTH, HEADER, FONT_SIZE = 112, 6, 210, 44, 17
KEPT_WHOLE = (214, 39, 40)


def write(
    path: Path | str,
    ledger: Sequence[Mapping[str, str]],
    images: Path | str,
    title: str,
    per_class: int = 10,
    seed: int = 0,
) -> None:
    """Write the sheet as PNG: up to ``per_class`` faces of each label, chosen by keyed randomness.

    ``ledger`` are the rows of a faces ledger and ``images`` the folder of its faces.  Classes stand in their
    canonical order; a red frame marks a picture in which no face was found.
    """
    rank = {label: i for i, label in enumerate((*BASIC, *COMPOUND))}
    classes = sorted({row["label"] for row in ledger}, key=lambda label: (rank.get(label, len(rank)), label))
    width = LABEL_WIDTH + per_class * (TILE + GAP) + GAP
    sheet = Image.new("RGB", (width, HEADER + len(classes) * (TILE + GAP) + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT_SIZE)
    whole = sum(row["status"] == "kept_whole" for row in ledger)
    head = f"{title}: {len(ledger):,} images, {whole:,} kept whole (no face found; red frame)"
    draw.text((GAP, HEADER / 2), head, "black", font, anchor="lm")
    for i, label in enumerate(classes):
        top = HEADER + i * (TILE + GAP)
        rows = [row for row in ledger if row["label"] == label]
        text = f"{label.replace('_', ' ')}\n{len(rows):,}"
        draw.multiline_text((GAP, top + TILE / 2), text, "black", font, anchor="lm")
        order = generator(seed, "contact_sheet", title, label).permutation(len(rows))[:per_class]
        for j, row in enumerate(rows[k] for k in np.sort(order)):
            corner = (LABEL_WIDTH + j * (TILE + GAP), top)
            with Image.open(Path(images) / f"{row['sample_id']}.png") as face:
                sheet.paste(face.convert("RGB").resize((TILE, TILE), Image.Resampling.LANCZOS), corner)
            if row["status"] == "kept_whole":
                frame = (corner[0] - 2, corner[1] - 2, corner[0] + TILE + 1, corner[1] + TILE + 1)
                draw.rectangle(frame, outline=KEPT_WHOLE, width=3)
    with written_aside(path) as aside:
        sheet.save(aside, format="PNG")
