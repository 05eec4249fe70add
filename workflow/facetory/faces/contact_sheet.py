"""Labelled sheets of aligned faces, so that a person sees what the networks see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facetory.data.index import read_csv
from facetory.data.labels import BASIC, COMPOUND
from facetory.faces.corrupt import CLEAN, NAMES, NOISE, corrupt, parse
from facetory.faces.views import COLUMNS, read_face
from facetory.pipeline.files import FacetoryError, written_aside
from facetory.pipeline.randomness import generator

TILE, GAP, LABEL_WIDTH, HEADER, LINE, FONT_SIZE = 112, 6, 210, 44, 26, 17
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


def write_corruptions(
    path: Path | str, ledger: Path | str, sample_id: str | None = None, noise_seed: int = 0
) -> None:
    """Write one aligned face under every corruption as PNG: noise in the upper row, blur in the lower.

    The faces stand at the resolution at which they are corrupted.  Without ``sample_id`` it is the ledger's
    first face that was found; one that the ledger lacks, or that is already corrupted, is a `FacetoryError`.
    """
    ledger = Path(ledger)
    rows = [row for _, row in read_csv(ledger, (*COLUMNS, "status"))]
    wanted = [row for row in rows if row["sample_id"] == sample_id or sample_id is None]
    if not wanted:
        raise FacetoryError(f"{ledger}: has no sample {sample_id}. Take a sample_id that it lists.")
    row = next((row for row in wanted if row["status"] == "aligned"), wanted[0])
    if row.get("corruption", CLEAN) != CLEAN:
        raise FacetoryError(f"{ledger}: its pictures went through {row['corruption']}. Give the clean faces.")
    face = read_face(ledger.parent, row)
    lines = (CLEAN, *NAMES[: len(NOISE)]), NAMES[len(NOISE) :]
    side, font = face.shape[0], ImageFont.load_default(FONT_SIZE)
    across, down = side + GAP, side + GAP + LINE
    sheet = Image.new("RGB", (len(lines[0]) * across + GAP, HEADER + 2 * down), "white")
    draw = ImageDraw.Draw(sheet)
    head = f"{ledger.parent.name} {row['sample_id']}: corrupted at {side} by {side} pixels"
    draw.text((GAP, HEADER / 2), head, "black", font, anchor="lm")
    for i, names in enumerate(lines):
        for j, name in enumerate(names):
            left, top = GAP + j * across, HEADER + i * down
            view = corrupt(face, name, row["sample_id"], noise_seed)
            sheet.paste(Image.fromarray(view), (left, top))
            draw.text((left, top + side + LINE / 2), _title(name), "black", font, anchor="lm")
    with written_aside(path) as aside:
        sheet.save(aside, format="PNG")


def _title(name: str) -> str:
    kind, sigma = parse(name)
    return name if name == CLEAN else f"{kind}, sigma {sigma}"
