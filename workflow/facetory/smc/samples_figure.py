"""Fig. 4: faces drawn from pure noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from facetory.report import drawing
from facetory.report.cells import CellTable
from facetory.report.notes import footer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LUMA = np.array([0.299, 0.587, 0.114])
Rows = list[dict[str, Any]]


def fig4(
    measured: CellTable, images: np.ndarray | None, realism: np.ndarray | None = None
) -> tuple[Figure, Rows]:
    """A grid of images uint8 (n, 3, px, px); None: not drawn, for the reason in ``measured``.

    ``realism`` (n,) is MTCNN's probability of a face, 0 where it finds none.  The rows tell of each image the
    mean of its channels and its contrast, the standard deviation of luma, on the 0–255 scale.
    """
    if images is None:
        figure = drawing.sheet(6.4, 2.4, footer(measured))
        reason = next((cell.reason for cell in measured.cells if cell.reason), "")
        drawing.not_run(figure.subplots(), reason, width=70)
        return figure, [{"image": "", "reason": reason}]
    columns = across(len(images))
    lines = math.ceil(len(images) / columns)
    figure = drawing.sheet(
        1.4 * columns, 1.4 * lines, f"Drawn from pure noise. {footer(measured, statistics=False)}"
    )
    panels = figure.subplots(lines, columns, squeeze=False)
    for axes in panels.flat[len(images) :]:
        axes.set_axis_off()
    for axes, image in zip(panels.flat, images, strict=False):
        drawing.picture(axes, image.transpose(1, 2, 0))
    means = images.astype(float).mean((2, 3))
    contrast = np.einsum("ncyx,c->nyx", images, LUMA).std((1, 2))
    found = [None] * len(images) if realism is None else realism.tolist()
    return figure, [
        {"image": i + 1, "realism": found[i]}
        | dict(zip(("red", "green", "blue"), means[i].round(4).tolist(), strict=True))
        | {"contrast": round(float(contrast[i]), 4)}
        for i in range(len(images))
    ]


def across(count: int) -> int:
    """The columns of a grid, 8 at most: the fewest that fill it and make it no taller than wide."""
    least = math.isqrt(count - 1) + 1
    return next((columns for columns in range(least, 9) if count % columns == 0), min(least, 8))
