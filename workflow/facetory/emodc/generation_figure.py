"""Fig. 7: facial expressions that a run draws, a column a class, rows for each guidance scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from facetory.report import drawing
from facetory.report.cells import CellTable
from facetory.report.notes import footer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LUMA = np.array([0.299, 0.587, 0.114])
Rows = list[dict[str, Any]]


def fig7(
    images: np.ndarray | None, classes: Sequence[str], scales: Sequence[float], measured: CellTable
) -> tuple[Figure, Rows]:
    """Images uint8 (S, K, M, 3, px, px), or None with the reason in ``measured``; the rows are `measures`.

    Within a column of images that stand in the same place only the prompt and the scale differ.
    """
    if images is None:
        figure = drawing.sheet(6.4, 2.4, footer(measured))
        reason = next((cell.reason for cell in measured.cells if cell.reason), "")
        drawing.not_run(figure.subplots(), reason, width=70)
        return figure, [{"not_run": reason}]
    note = "All classes and scales start from the same noise; only prompt and guidance scale (cfg) differ."
    per_class = images.shape[2]
    figure = drawing.sheet(
        1.15 * len(classes) + 0.5, 1.25 * len(scales) * per_class, f"{note} {footer(measured)}"
    )
    panels = figure.subplots(len(scales) * per_class, len(classes), squeeze=False)
    for s, k, m in np.ndindex(images.shape[:3]):
        axes = panels[s * per_class + m][k]
        drawing.picture(axes, images[s, k, m].transpose(1, 2, 0))
        if (s, m) == (0, 0):
            drawing.title(axes, classes[k].replace("_", "\n"))
        if k == 0:
            axes.set_ylabel(f"cfg = {scales[s]:g}" + (f"\nimage {m + 1}" if per_class > 1 else ""))
    return figure, measures(images, classes, scales)


def measures(images: np.ndarray, classes: Sequence[str], scales: Sequence[float]) -> Rows:
    """Numbers of each image on the 0–255 scale, by which two sets of drawings can be compared.

    Mean of each channel; contrast, the standard deviation of luma; sharpness, the mean absolute difference of
    luma between neighbouring pixels; ``from_first_scale``, the mean absolute difference to the same image at
    the first scale; ``from_other_classes``, that to the mean of the classes from the same noise and scale.
    """
    values = images.astype(float)
    luma = np.einsum("skmcyx,c->skmyx", values, LUMA)
    across, down = np.abs(np.diff(luma, axis=-1)), np.abs(np.diff(luma, axis=-2))
    table = {
        **{name: values[:, :, :, i].mean((-1, -2)) for i, name in enumerate(("red", "green", "blue"))},
        "contrast": luma.std((-1, -2)),
        "sharpness": (across.mean((-1, -2)) + down.mean((-1, -2))) / 2,
        "from_first_scale": np.abs(values - values[:1]).mean((-1, -2, -3)),
        "from_other_classes": np.abs(values - values.mean(1, keepdims=True)).mean((-1, -2, -3)),
    }
    return [
        {"guidance_scale": scales[s], "class": classes[k], "image": m + 1}
        | {name: round(float(column[s, k, m]), 4) for name, column in table.items()}
        | {"not_run": None}
        for s, k, m in np.ndindex(images.shape[:3])
    ]
