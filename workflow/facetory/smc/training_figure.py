"""Fig. 3: the training loss over epochs, with the training of the released model that it continues."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from facetory.pipeline.files import FacetoryError, read_json
from facetory.report import drawing
from facetory.report.cells import CellTable
from facetory.report.drawing import PALETTE
from facetory.report.notes import footer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (PALETTE["blue"], PALETTE["vermillion"])
LOG_FROM = 3.0
"""The loss gets a log axis where its largest smoothed value is so many times its least."""
RULE = "Light: the loss as logged; strong: its mean over a twentieth of the log."
Rows = list[dict[str, Any]]


class Course(NamedTuple):
    """A training's course: ``epochs`` (n,) from its own start and the mean ``loss`` (n,) up to each."""

    name: str
    epochs: np.ndarray
    loss: np.ndarray


def course(folder: Path | str, name: str) -> Course:
    """The course of a run (its manifest tells the epochs) or of a released model's UNet.

    A folder without progress.jsonl is a `FacetoryError`.
    """
    path = Path(folder) / "progress.jsonl"
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError as error:
        raise FacetoryError(f"{path}: the training's progress is missing. Train the model again.") from error
    noted = [(line["step"], line["loss"]) for line in lines if "loss" in line]
    steps, loss = np.array(noted, dtype=float).reshape(-1, 2).T
    return Course(name, steps * epochs_per_step(read_json(path.with_name("manifest.json"))), loss)


def epochs_per_step(manifest: dict[str, Any]) -> float:
    """batch_size / training samples: of a run as it states its epochs, of a released model from its data."""
    if "epochs" in manifest:
        return manifest["epochs"] / manifest["training"]["steps"]
    return manifest["unet"]["batch_size"] / (manifest["data"]["images"] - manifest["data"]["held_out"])


def smoothed(values: np.ndarray, window: int) -> np.ndarray:
    """Means over the neighbours at most ``window`` // 2 away: values (n,) to (n,)."""
    sums, at = np.concatenate([[0.0], np.cumsum(values)]), np.arange(len(values))
    first = np.maximum(at - window // 2, 0)
    last = np.minimum(at + window // 2 + 1, len(values))
    return (sums[last] - sums[first]) / (last - first)


def fig3(measured: CellTable, courses: Sequence[Course]) -> tuple[Figure, Rows]:
    """Each course after the one before it; light: as logged, strong: smoothed over a twentieth of the log."""
    figure = drawing.sheet(6.8, 3.7, f"{RULE} {footer(measured, statistics=False)}")
    axes = figure.subplots()
    if not courses:
        reason = next((cell.reason for cell in measured.cells if cell.reason), "")
        drawing.not_run(axes, reason, width=70)
        return figure, [{"training": "", "reason": reason}]
    begin = 0.0
    rows: Rows = []
    for part, colour in zip(courses, COLOURS, strict=False):
        x, line = begin + part.epochs, smoothed(part.loss, len(part.loss) // 20)
        axes.plot(x, part.loss, color=colour, alpha=0.25, linewidth=0.8)
        axes.plot(x, line, color=colour, label=part.name)
        if begin:
            axes.axvline(begin, color=drawing.GREY, linestyle=":", linewidth=1)
        drawn = zip(x, part.epochs, part.loss, line, strict=True)
        rows += [
            {"training": part.name, "x": float(at), "epoch": float(epoch), "loss": float(loss)}
            | {"smoothed": float(mean)}
            for at, epoch, loss, mean in drawn
        ]
        begin = float(x[-1])
    means = [row["smoothed"] for row in rows]
    if max(means) > LOG_FROM * min(means):
        _log(axes)
    axes.set_xlim(0, begin)
    axes.set_xlabel("epochs")
    axes.set_ylabel("noise-prediction error")
    figure.legend(loc="outside upper center", ncols=len(courses))
    return figure, rows


def _log(axes: Axes) -> None:
    """A log axis with plain numbers at 1, 2 and 5 of each decade."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
