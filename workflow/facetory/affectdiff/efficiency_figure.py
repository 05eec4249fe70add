"""Fig. 9: validation balanced accuracy against the number of parameters, with its Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from facetory.affectdiff.bars import Rows, hollow, labelled, note
from facetory.report import drawing
from facetory.report.cells import Cell, CellTable
from facetory.report.drawing import GREY, PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

SIZE, SCORE = "Total (M)", "Val-BalAcc"
LITTLE, WIDE = 4.0, 16.0
PLACES = [
    (x * far, y * far, ha, va)
    for far in (7, 13, 20)
    for x, y, ha, va in (
        (1, 0, "left", "center"),
        (-1, 0, "right", "center"),
        (0, 1, "center", "bottom"),
        (0, -1, "center", "top"),
        (0.8, 0.8, "left", "bottom"),
        (0.8, -0.8, "left", "top"),
        (-0.8, 0.8, "right", "bottom"),
        (-0.8, -0.8, "right", "top"),
    )
]
"""Where a label may stand beside its point, in points, the best places first."""


def fig9(measured: CellTable) -> tuple[Figure, Rows]:
    """A point a model (row) at (`SIZE`, `SCORE`); hollow: as published."""
    cells = {(cell.row, cell.column): cell for cell in measured.cells}
    pairs = {row: (cells[row, SIZE], cells[row, SCORE]) for row in measured.rows}
    shown = measured.model_copy(update={"cells": [score for _, score in pairs.values()]})
    figure = drawing.sheet(6.4, 3.9, note(shown, "Line: the Pareto front. Hollow: as published."))
    axes = figure.subplots()
    points: dict[str, Any] = {
        row: (x.value, y.value) for row, (x, y) in pairs.items() if None not in (x.value, y.value)
    }
    rows = [_row(row, *pair, front(list(points.values()))) for row, pair in pairs.items()]
    if not points:
        reason = next((cell.reason for cell in measured.cells if cell.reason), "")
        drawing.not_run(axes, reason, width=70)
        return figure, rows
    best = front(list(points.values()))
    line: Any = zip(*best, strict=True)
    axes.plot(*line, color=GREY, drawstyle="steps-post", linewidth=1, zorder=1)
    for x, y in pairs.values():
        if x.published is not None and y.published is not None:
            axes.plot(x.published, y.published, **hollow(4.5))
    for row, (a, b) in points.items():
        y = pairs[row][1]
        if y.ci_low is not None:
            span: Any = [y.ci_low, y.ci_high]
            axes.plot([a, a], span, color=GREY, linewidth=0.8, alpha=0.6, zorder=2)
        colour = PALETTE["vermillion" if row.startswith(("Full", "Affect")) else "blue"]
        axes.plot(a, b, color=colour, marker="o", markersize=6, zorder=3)
    _axes(axes, [x for x, _ in pairs.values()], [y for _, y in pairs.values()])
    figure.canvas.draw()
    marks: dict[str, Any] = {
        row: (x.published, y.published) for row, (x, y) in pairs.items() if x.published and y.published
    }
    spans = [((x.value, y.ci_low), (x.value, y.ci_high)) for x, y in pairs.values() if x.value and y.ci_low]
    corners = [(b[0], a[1]) for a, b in pairwise(best)]
    spans += [*zip(best, corners, strict=False), *zip(corners, best[1:], strict=True)]
    taken = [_around(axes, (point, point)) for point in (*points.values(), *marks.values())]
    taken += [_around(axes, span, 1) for span in spans]
    _label(axes, points, taken, fontsize=8)
    _label(axes, marks, taken, fontsize=7, color=GREY)
    return figure, rows


def front(points: Sequence[tuple[Any, Any]]) -> list[tuple[float, float]]:
    """The points (size, score) that no other one beats with fewer or as many parameters, by size."""
    kept: list[tuple[float, float]] = []
    for size, score in sorted(set(points), key=lambda point: (point[0], -point[1])):
        if not kept or score > kept[-1][1]:
            kept.append((size, score))
    return kept


def _axes(axes: Axes, sizes: Sequence[Cell], scores: Sequence[Cell]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xscale("log")
    values = [v for cell in sizes for v in (cell.value, cell.published) if v]
    axes.set_xlim(min(values) / LITTLE**0.5, max(values) * LITTLE)
    if max(values) / min(values) < WIDE:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(y=0.12)
    axes.set_xlabel("parameters (millions)")
    axes.set_ylabel(labelled("balanced accuracy, validation", scores))


def _label(axes: Axes, points: dict[str, tuple[Any, Any]], taken: list[Any], **style: Any) -> None:
    """Name every point, each label in the first of `PLACES` where nothing is ``taken`` (display boxes, to
    which its own is added)."""
    inside = axes.get_window_extent()
    for name, point in points.items():
        for dx, dy, ha, va in PLACES:
            text: Text = axes.annotate(
                name, point, (dx, dy), textcoords="offset points", ha=ha, va=va, zorder=5, **style
            )
            text.set_in_layout(False)
            box = text.get_window_extent()
            if not any(box.overlaps(other) for other in taken) and inside.containsx(box.x1):
                break
            if (dx, dy, ha, va) != PLACES[-1]:
                text.remove()
        taken.append(box)


def _around(axes: Axes, ends: Any, points: float = 4) -> Any:
    """The display box of a stretch between two data points, with a margin."""
    from matplotlib.transforms import Bbox

    return Bbox(axes.transData.transform(ends)).padded(points * axes.figure.dpi / 72)  # type: ignore[union-attr]


def _row(name: str, x: Cell, y: Cell, best: Sequence[tuple[float, float]]) -> dict[str, Any]:
    kept = y.model_dump(include={"value", "ci_low", "ci_high", "n", "published", "status", "reason"})
    about = {"model": name, "parameters_millions": x.value, "published_millions": x.published}
    return about | kept | {"on_front": (x.value, y.value) in best}
