"""Fig. 5 and every ablation: scores against one setting of the sampler, marker size for realism."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from facetory.report import drawing
from facetory.report.cells import Cell, CellTable
from facetory.report.drawing import GREY, PALETTE
from facetory.report.labels import as_mathtext
from facetory.report.notes import footer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SERIES = {"Emotion score": (PALETTE["blue"], "o"), "Judge's score": (PALETTE["vermillion"], "D")}
"""The guide's probability of the target, filled, and the independent judge's, hollow."""
REALISM = "Realism"
AREAS = (18.0, 150.0)
"""Marker areas in points², of the least realism that the size key shows and of 1."""
KEYS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99)
DODGE = 0.05
Rows = list[dict[str, Any]]


def ablation(measured: CellTable) -> tuple[Figure, Rows]:
    """A chart for each parameter in the rows (``Guidance scale = 5``), side by side; the rows are the cells.

    Numbers stand on an axis, a log one where they span a decade; other values stand side by side.
    """
    parameters = list(dict.fromkeys(_split(row)[0] for row in measured.rows))
    if not any(cell.value is not None for cell in measured.cells if cell.column in SERIES):
        figure = drawing.sheet(6.4, 2.4, footer(measured))
        drawing.not_run(figure.subplots(), measured.cells[0].reason or "", width=70)
        return figure, [_row(cell) for cell in measured.cells]
    shown = [cell for cell in measured.cells if cell.column in (*SERIES, REALISM)]
    note = footer(measured.model_copy(update={"cells": shown}))
    figure = drawing.sheet(max(3.5 * len(parameters), 6.4), 3.9, note)
    line = figure.subplots(1, len(parameters), squeeze=False)[0]
    least = size_key_from(measured)
    for axes, parameter in zip(line, parameters, strict=True):
        own = [cell for cell in measured.cells if _split(cell.row)[0] == parameter]
        if any(cell.value is not None for cell in own if cell.column in SERIES):
            _chart(axes, own, least)
        else:
            drawing.not_run(axes, own[0].reason or "")
        axes.set_xlabel(as_mathtext(parameter))
    line[0].set_ylabel("probability of the target")
    _legend(figure, least, any(cell.column == REALISM for cell in measured.cells))
    return figure, [_row(cell) for cell in measured.cells]


def size_key_from(measured: CellTable) -> float:
    """The largest of `KEYS` that no realism falls below: where the marker sizes begin."""
    found = [cell.value for cell in measured.cells if cell.column == REALISM and cell.value is not None]
    return max((key for key in KEYS if key <= min(found, default=0.0)), default=0.0)


def area(realism: float | None, least: float) -> float:
    """A marker's area, in points²: linear in realism from ``least`` to 1; the smallest one for None."""
    small, large = AREAS
    return small if realism is None else small + (large - small) * (realism - least) / (1 - least)


def places(values: Sequence[str]) -> tuple[list[float], str]:
    """Where a parameter's values stand, and on which scale: "linear", "log" or, if not numbers, "ranks"."""
    try:
        found = [float(value) for value in values]
    except ValueError:
        return [float(i) for i in range(len(values))], "ranks"
    return found, "log" if min(found) > 0 and max(found) >= 10 * min(found) else "linear"


def _chart(axes: Axes, cells: Sequence[Cell], least: float) -> None:
    values = list(dict.fromkeys(_split(cell.row)[1] for cell in cells))
    at, kind = places(values)
    place = dict(zip(values, at, strict=True))
    sizes = {_split(c.row)[1]: c.value for c in cells if c.column == REALISM}
    axes.set_ylim(-0.03, 1.03)
    if kind == "log":
        axes.set_xscale("log")
    for i, (column, (colour, marker)) in enumerate(SERIES.items()):
        own = [cell for cell in cells if cell.column == column and cell.value is not None]
        x = [_beside(place[_split(c.row)[1]], (2 * i - 1) * DODGE, at, kind) for c in own]
        y: Any = [cell.value for cell in own]
        for where, cell in zip(x, own, strict=True):
            if cell.ci_low is not None and cell.ci_high is not None:
                axes.plot([where] * 2, [cell.ci_low, cell.ci_high], color=colour, linewidth=1.1, alpha=0.7)
        if kind != "ranks":
            axes.plot(x, y, color=colour, linewidth=1, linestyle="-" if i == 0 else "--", zorder=1.9)
        areas = [area(sizes.get(_split(c.row)[1]), least) for c in own]
        face = colour if i == 0 else "white"
        axes.scatter(x, y, s=areas, marker=marker, facecolors=face, edgecolors=colour, zorder=3)
    _ticks(axes, cells, values, at, kind)


def _beside(place: float, share: float, at: Sequence[float], kind: str) -> float:
    """A place moved by a share of the axis's mean gap, so that two series do not hide each other."""
    low, high, gaps = min(at), max(at), max(len(at) - 1, 1)
    if kind == "log":
        return place * (high / low) ** (share / gaps)
    return place + share * ((high - low) / gaps or 1)


def _ticks(axes: Axes, cells: Sequence[Cell], values: Sequence[str], at: Sequence[float], kind: str) -> None:
    ran = {_split(cell.row)[1]: _ran(cell) for cell in cells if cell.value is not None}
    wide = 14 if len(values) < 5 else 11
    labels = [
        "\n".join([*textwrap.wrap(value, wide, break_long_words=False), ran.get(value, "(not run)")]).strip()
        for value in values
    ]
    axes.set_xticks(at, [as_mathtext(label) for label in labels])
    axes.minorticks_off()
    axes.margins(x=0.12)
    if kind == "ranks":
        axes.set_xlim(-0.5, len(at) - 0.5)


def _ran(cell: Cell) -> str:
    """What ran in place of the paper's value, where it is a number of the budget."""
    parameter, value = _split(cell.row)
    had = cell.budget.get(parameter.lower().replace(" ", "_"))
    return "" if had is None or str(had) == value else f"({had} ran)"


def _legend(figure: Figure, least: float, sized: bool) -> None:
    from matplotlib.lines import Line2D

    names = {"Emotion score": "guide", "Judge's score": "independent judge"}
    handles = [
        Line2D([], [], color=colour, linestyle="-" if i == 0 else "--", linewidth=1, marker=marker)
        for i, (colour, marker) in enumerate(SERIES.values())
    ]
    handles[1].set_markerfacecolor("white")
    labels = [names[column] for column in SERIES]
    for realism in (least, (least + 1) / 2, 1.0) if sized else ():
        size = math.sqrt(area(realism, least))
        handles.append(Line2D([], [], linestyle="none", marker="o", color=GREY, markersize=size))
        labels.append(f"realism {realism:.3g}" if realism == least else f"{realism:.3g}")
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))


def _split(row: str) -> tuple[str, str]:
    """``Guidance scale = 5`` as its parameter and value; a row without " = " is a value of "Setting"."""
    parameter, found, value = row.partition(" = ")
    return (parameter, value) if found else ("Setting", row)


def _row(cell: Cell) -> dict[str, Any]:
    parameter, value = _split(cell.row)
    return {"parameter": parameter, "setting": value} | cell.model_dump(
        include={"column", "value", "ci_low", "ci_high", "n", "unit", "status", "reason", "dataset", "budget"}
    )
