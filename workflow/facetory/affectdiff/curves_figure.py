"""Figs. 4 and 10: validation balanced accuracy over epochs, by model and by seed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from facetory.affectdiff.bars import Rows, hollow, note, published_key, whole_epochs
from facetory.affectdiff.course import Course, peak
from facetory.report import drawing
from facetory.report.cells import CellTable
from facetory.report.drawing import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FULL = "Full Model"
BASELINES = ("TFN", "MulT", "MISA", "MMIM", "TETFN")
COLOURS = [PALETTE[c] for c in ("vermillion", "blue", "green", "orange", "purple", "sky")] + ["#999999"]
SCORE, EPOCH = "Val-BalAcc", "Peak epoch"
RULE = "Markers: each curve's peak; hollow: the published one. Dashed: baselines."
SEEDS = "Markers: each seed's peak; hollow: the published one."


def fig4(measured: CellTable, courses: Sequence[Course]) -> tuple[Figure, Rows]:
    """A line a model; the key tells each peak."""
    return _curves(measured, courses, RULE, "model")


def fig10(measured: CellTable, courses: Sequence[Course]) -> tuple[Figure, Rows]:
    """A line a seed; the small print says how far the seeds lie apart."""
    return _curves(measured, courses, f"{SEEDS} {apart(courses)}".strip(), "seed")


def apart(courses: Sequence[Course]) -> str:
    """How far the seeds lie apart at the same epoch, in words; seeds that nowhere differ are named."""
    if len(courses) < 2:
        return ""
    shared = min(len(own.validated) for own in courses)
    curves = np.stack([own.validation["balanced_accuracy"][:shared] for own in courses])
    widest = np.ptp(curves, axis=0).max()
    if widest == 0:
        return "The seeds' curves are identical: they cannot be independent trainings."
    return f"The seeds lie up to {widest:.3f} apart at the same epoch."


def _curves(measured: CellTable, courses: Sequence[Course], rule: str, kind: str) -> tuple[Figure, Rows]:
    figure = drawing.sheet(8.0, 3.7 if len(courses) < 10 else 4.3, note(measured, rule, statistics=False))
    axes = figure.subplots()
    if not courses:
        reason = next((cell.reason for cell in measured.cells if cell.reason), "")
        drawing.not_run(axes, reason, width=70)
        return figure, [_row("", None, None) | {"reason": reason}]
    styles = line_styles([own.name for own in courses])
    for own, (colour, marker, dashes) in reversed([*zip(courses, styles, strict=True)]):
        epoch, best = peak(own)
        line = {"color": colour, "linestyle": dashes, "linewidth": 1.8 if own.name == FULL else 1.1}
        shown = {
            "marker": marker,
            "markersize": 11 if marker == "*" else 7,
            "markevery": [int(np.argmax(own.validated == epoch))],
        }
        edge: dict[str, Any] = {} if marker in "x+" else {"markeredgecolor": "white"}
        label = f"{own.name}  ({best:.3f}, epoch {epoch:g})"
        axes.plot(own.validated, own.validation["balanced_accuracy"], **line, **shown, **edge, label=label)
    for row in measured.rows:
        told = {cell.column: cell.published for cell in measured.cells if cell.row == row}
        at: list[Any] = [told.get(column) for column in (EPOCH, SCORE)]
        if None not in at:
            axes.plot(*at, **hollow(6))
    _axis(axes)
    handles, _ = axes.get_legend_handles_labels()
    figure.legend(
        handles=[*handles[::-1], *published_key(measured.cells)],
        loc="outside right upper",
        fontsize=8,
        title=f"{kind} (peak, its epoch)",
        handlelength=3.2,
        title_fontsize=8,
        alignment="left",
    )
    return figure, [
        _row(own.name, float(epoch), float(value)) | {"reason": None}
        for own in courses
        for epoch, value in zip(own.validated, own.validation["balanced_accuracy"], strict=True)
    ]


def line_styles(names: Sequence[str]) -> list[tuple[str, str, str]]:
    """Colour, marker and line of each model: the full one black, baselines dashed with other markers."""
    baselines = [name for name in names if name in BASELINES]
    others = [name for name in names if name not in (*BASELINES, FULL)]
    styles = {FULL: ("black", "*", "-")}
    for group, markers, dashes in ((baselines, "xP<>+", "--"), (others, "o^sDvXhp", "-")):
        kinds = zip(group, cycle(COLOURS), cycle(markers), strict=False)
        styles |= {name: (colour, marker, dashes) for name, colour, marker in kinds}
    return [styles[name] for name in names]


def _axis(axes: Axes) -> None:
    axes.set_xlim(left=0)
    whole_epochs(axes)
    axes.set_ylabel("balanced accuracy, validation")


def _row(name: str, epoch: float | None, value: float | None) -> dict[str, object]:
    return {"curve": name, "epoch": epoch, "balanced_accuracy": value}
