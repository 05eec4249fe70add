"""Identity kept against expressions flipped: what each sampler pays for its target."""

from __future__ import annotations

from itertools import pairwise
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
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
IDENTITY, FLIPS = "identity", "flip rate"
Rows = list[dict[str, Any]]


def tradeoff(measured: CellTable) -> tuple[Figure, Rows]:
    """A marker a sampler (row) and target, intervals both ways, joined from target to target.

    Columns are ``Happy, identity``, the cosine of source and edit, and ``Happy, flip rate``, by the judge.
    """
    cells = {(cell.row, cell.column.lower()): cell for cell in measured.cells}
    targets = list(dict.fromkeys(column.partition(", ")[0] for column in measured.columns))
    figure = drawing.sheet(7.6, 4.4, footer(measured))
    axes = figure.subplots()
    colours = dict(zip(measured.rows, COLOURS, strict=False))
    markers = dict(zip(targets, MARKERS, strict=False))
    rows: Rows = []
    for sampler in measured.rows:
        ends = []
        for target in targets:
            x, y = (cells[sampler, f"{target}, {what}".lower()] for what in (IDENTITY, FLIPS))
            if x.value is not None and y.value is not None:
                _cross(axes, x, y, colours[sampler], markers[target])
                ends.append((x.value, y.value))
            rows.append(_row(sampler, target, x, y))
        for one, other in pairwise(ends):
            axes.plot(*zip(one, other, strict=True), color=PALETTE[colours[sampler]], linewidth=0.6, zorder=1)
    if not axes.collections:
        reason = next((cell.reason for cell in measured.cells if cell.reason), "")
        drawing.not_run(axes, reason, width=70)
        return figure, rows
    axes.set_xlabel("identity: cosine of the embeddings of source and edit")
    axes.set_ylabel("flip rate by the independent judge (%)")
    axes.set_ylim(-4, 104)
    axes.text(0.99, 0.985, "better ↗", transform=axes.transAxes, ha="right", va="top", color=GREY)
    _legend(axes, colours, markers)
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


def _legend(axes: Axes, colours: dict[str, str], markers: dict[str, str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=PALETTE[colour], linewidth=3, label=as_mathtext(sampler))
        for sampler, colour in colours.items()
    ]
    handles += [
        Line2D([], [], linestyle="none", color=GREY, marker=marker, label=target)
        for target, marker in markers.items()
    ]
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8)


def _row(sampler: str, target: str, x: Cell, y: Cell) -> dict[str, Any]:
    kept = ("value", "ci_low", "ci_high", "n")
    both = (("identity", x), ("flip_rate", y))
    numbers = {f"{name}_{key}": getattr(cell, key) for name, cell in both for key in kept}
    return {"sampler": sampler, "target": target} | numbers | {"status": y.status, "reason": y.reason}
