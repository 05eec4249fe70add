"""A sheet of synthetic faces: what each method makes of the same identities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from facetory.adaptdiff.figure_rows import Rows, nothing_ran, reason, trained_on
from facetory.report import drawing
from facetory.report.cells import CellTable
from facetory.report.notes import footer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LUMA = np.array([0.299, 0.587, 0.114])
RULE = "Nobody's photographs. Every method draws the same identities, from the same noise."
Faces = dict[str, np.ndarray]


def samples(measured: CellTable, faces: Mapping[str, Faces]) -> tuple[Figure, Rows]:
    """Rows are methods; ``faces`` maps those that ran to {identity's name: images uint8 (m, 3, px, px)}.

    All hold the same identities.  The CSV tells each image's mean and contrast (standard deviation) of luma.
    """
    if (empty := nothing_ran(measured)) or not faces:
        return empty or nothing_ran(_without_values(measured))  # type: ignore[return-value]
    names = list(next(iter(faces.values())))
    count = min(len(images) for own in faces.values() for images in own.values())
    width = 0.75 * count * len(names) + 1.2
    note = f"{RULE} {footer(measured, statistics=False)}"
    figure = drawing.sheet(max(width, 5.6), 0.85 * len(measured.rows) + 0.6, note)
    figure.suptitle(f"Synthetic: {trained_on(measured)}", fontsize=10)
    panels = figure.subplots(len(measured.rows), len(names), squeeze=False)
    for line, method in zip(panels, measured.rows, strict=True):
        for axes, name in zip(line, names, strict=True):
            if method in faces:
                drawing.picture(axes, strip(faces[method][name][:count]))
            else:
                own = (cell for cell in measured.cells if cell.row == method)
                drawing.not_run(axes, reason(own), 12 * count)
        line[0].set_ylabel(method, rotation=0, ha="right", va="center", fontsize=8.5)
    for axes, name in zip(panels[0], names, strict=True):
        axes.set_title(f"identity {name}", fontsize=8.5)
    return figure, _rows(measured, faces, count)


def strip(images: np.ndarray) -> np.ndarray:
    """Images uint8 (n, 3, px, px) side by side with white lines between: (px, n·(px + gap) − gap, 3)."""
    gap = max(1, images.shape[-1] // 32)
    padded = np.pad(images, ((0, 0), (0, 0), (0, 0), (0, gap)), constant_values=255)
    return padded.transpose(2, 0, 3, 1).reshape(images.shape[2], -1, 3)[:, :-gap]


def _rows(measured: CellTable, faces: Mapping[str, Faces], count: int) -> Rows:
    why = {cell.row: cell.reason for cell in measured.cells if cell.reason}
    rows: Rows = []
    for method in measured.rows:
        if method not in faces:
            rows.append(_row(method, reason=why.get(method)))
            continue
        for name, images in faces[method].items():
            luma = np.einsum("ncyx,c->nyx", images[:count].astype(float), LUMA)
            rows += [
                _row(method, name, i, round(float(one.mean()), 3), round(float(one.std()), 3))
                for i, one in enumerate(luma)
            ]
    return rows


def _row(
    method: str,
    identity: str | None = None,
    image: int | None = None,
    luma: float | None = None,
    contrast: float | None = None,
    reason: str | None = None,
) -> dict[str, object]:
    numbers = {"identity": identity, "image": image, "luma": luma, "contrast": contrast}
    return {"method": method, **numbers, "reason": reason}


def _without_values(measured: CellTable) -> CellTable:
    cells = [cell.model_copy(update={"value": None}) for cell in measured.cells]
    return measured.model_copy(update={"cells": cells})
