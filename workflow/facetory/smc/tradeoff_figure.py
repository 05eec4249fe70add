"""Identity kept against expressions flipped: what each sampler pays for its target."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

from facetory.report import drawing
from facetory.report.cells import Cell, CellTable
from facetory.report.drawing import GREY, PALETTE
from facetory.report.labels import as_mathtext
from facetory.report.notes import footer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("vermillion", "orange", "blue", "sky", "green", "purple", "black")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "h", "d")
IDENTITY, FLIPS = "identity", "flip rate"
Rows = list[dict[str, Any]]


def tradeoff(measured: CellTable) -> tuple[Figure, Rows]:
    """A panel a target, in each a marker a sampler (row) with intervals both ways, on the same axes.

    Columns are ``Happy, identity``, the cosine of source and edit, and ``Happy, flip rate``, by the judge.
    """
    cells = {(cell.row, cell.column.lower()): cell for cell in measured.cells}
    targets = list(dict.fromkeys(column.partition(", ")[0] for column in measured.columns))
    pairs = {
        (sampler, target): tuple(cells[sampler, f"{target}, {what}".lower()] for what in (IDENTITY, FLIPS))
        for sampler in measured.rows
        for target in targets
    }
    rows = [_row(*key, *pair) for key, pair in pairs.items()]
    drawn = measured.model_copy(update={"cells": [cell for pair in pairs.values() for cell in pair]})
    if not any(x.value is not None and y.value is not None for x, y in pairs.values()):
        figure = drawing.sheet(6.4, 2.4, footer(drawn))
        reason = next((cell.reason for cell in measured.cells if cell.reason), "")
        drawing.not_run(figure.subplots(), reason, width=70)
        return figure, rows
    figure = drawing.sheet(max(3.1 * len(targets), 6.4), 3.9, footer(drawn))
    line = figure.subplots(1, len(targets), squeeze=False, sharex=True, sharey=True)[0]
    styles = dict(zip(measured.rows, zip(cycle(COLOURS), MARKERS, strict=False), strict=False))
    for axes, target in zip(line, targets, strict=True):
        for sampler, style in styles.items():
            x, y = pairs[sampler, target]
            if x.value is not None and y.value is not None:
                _cross(axes, x, y, *style)
        drawing.title(axes, target)
        axes.set_xlabel("identity: cosine of source and edit")
        axes.text(0.99, 0.985, "better ↗", transform=axes.transAxes, ha="right", va="top", color=GREY)
    line[0].set_ylabel("flip rate by the independent judge (%)")
    line[0].set_ylim(-4, 104)
    _legend(figure, styles)
    return figure, rows


def _cross(axes: Axes, x: Cell, y: Cell, colour: str, marker: str) -> None:
    """A marker with its interval along each axis where there is one."""
    faint: dict[str, Any] = {"color": PALETTE[colour], "linewidth": 0.9, "alpha": 0.55, "zorder": 2}
    spans: Any = ([x.ci_low, x.ci_high], [y.value] * 2), ([x.value] * 2, [y.ci_low, y.ci_high])
    for cell, span in zip((x, y), spans, strict=True):
        if cell.ci_low is not None:
            axes.plot(*span, **faint)
    at: Any = {"x": [x.value], "y": [y.value]}
    axes.scatter(**at, s=42, color=PALETTE[colour], marker=marker, edgecolors="white", zorder=3)


def _legend(figure: Figure, styles: dict[str, tuple[str, str]]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=PALETTE[colour], linewidth=1, marker=marker, label=as_mathtext(sampler))
        for sampler, (colour, marker) in styles.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 4), fontsize=8)


def _row(sampler: str, target: str, x: Cell, y: Cell) -> dict[str, Any]:
    kept = ("value", "ci_low", "ci_high", "n")
    both = (("identity", x), ("flip_rate", y))
    numbers = {f"{name}_{key}": getattr(cell, key) for name, cell in both for key in kept}
    return {"sampler": sampler, "target": target} | numbers | {"status": y.status, "reason": y.reason}
