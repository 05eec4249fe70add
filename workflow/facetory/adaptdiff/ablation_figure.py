"""The ablations: separability, and accuracy of the recogniser where one was trained, by setting."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from facetory.adaptdiff.figure_rows import Rows, nothing_ran, told, trained_on
from facetory.adaptdiff.spec import Guidance
from facetory.adaptdiff.w_figure import COLOURS
from facetory.report import drawing
from facetory.report.cells import Cell, CellTable
from facetory.report.drawing import GREY, PALETTE
from facetory.report.labels import as_mathtext
from facetory.report.notes import footer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BETTER = {"eer": "lower is better", "fdr": "higher is better", "mean_accuracy": "higher is better"}
STYLES = {
    "constant": ("NegFaceDiff: w constant", "s", "-"),
    "linear": ("AdaptDiff: w = w_max (1 − t/T)", "o", "-"),
}
HOLLOW: dict[str, Any] = {
    "linestyle": "none",
    "marker": "D",
    "markerfacecolor": "white",
    "markeredgecolor": "#444444",
    "markersize": 4.5,
    "zorder": 4,
}
"""The marker of a published value."""


def ablation(measured: CellTable) -> tuple[Figure, Rows]:
    """Values with their intervals, a line a setting (row), a panel a metric (`metrics_of`)."""
    if empty := nothing_ran(measured):
        return empty
    columns = metrics_of(measured)
    tall = 0.34 * len(measured.rows) + 0.9
    figure, line = _panels(measured, columns, 2.2, tall)
    for axes, column in zip(line, columns, strict=True):
        own = [cell for cell in measured.cells if cell.column == column]
        for cell in own:
            _point(axes, measured.rows.index(cell.row), cell)
        axes.set_ylim(len(measured.rows) - 0.5, -0.5)
        axes.set_yticks(range(len(measured.rows)), [])
        axes.set_title(_labelled(own[0]))
        axes.locator_params(axis="x", nbins=4)
        axes.margins(x=0.12)
    named = named_with_steps(measured)
    names = ["\n".join(textwrap.wrap(name, 26, break_long_words=False)) for name in named]
    line[0].set_yticklabels([as_mathtext(name) for name in names])
    _key(figure, measured, columns, [])
    return figure, told(measured.cells)


def w_max(measured: CellTable, guidance: Mapping[str, Guidance]) -> tuple[Figure, Rows]:
    """Each metric against w_max, a line a schedule; w = 0 (IDiff-Face) begins both.

    ``guidance`` by row of the table, of those that ran.
    """
    if empty := nothing_ran(measured):
        return empty
    columns = metrics_of(measured)
    figure, line = _panels(measured, columns, 2.7, 2.9)
    handles: list[Any] = []
    for axes, column in zip(line, columns, strict=True):
        own = {cell.row: cell for cell in measured.cells if cell.column == column and cell.row in guidance}
        handles = [_course(axes, schedule, own, guidance) for schedule in STYLES]
        axes.set_xlabel(as_mathtext("w_max"))
        axes.set_title(_labelled(next(iter(own.values()))))
    _key(figure, measured, columns, handles)
    rows = told(measured.cells)
    for row in rows:
        asked = guidance.get(row["row"])
        weighs = asked is not None and asked.schedule != "none"
        row["schedule"] = asked and asked.schedule
        row["w_max"] = (asked.w_max if weighs else 0.0) if asked else None
    return figure, rows


def named_with_steps(measured: CellTable) -> list[str]:
    """The rows; where they differ in steps, with those that ran: ``DDIM, 200 (ran 20)``."""
    ran = {cell.row: (cell.steps, cell.grid) for cell in measured.cells if cell.grid is not None}
    if len(set(ran.values())) < 2:
        return list(measured.rows)
    told = {row: f" (ran\N{NO-BREAK SPACE}{grid})" for row, (steps, grid) in ran.items() if grid != steps}
    return [row + told.get(row, "") for row in measured.rows]


def metrics_of(measured: CellTable) -> list[str]:
    """The columns to draw: EER, FDR and the recogniser's mean accuracy, as far as they ran."""
    ran = {cell.column: cell.metric for cell in measured.cells if cell.value is not None}
    return [column for column in measured.columns if ran.get(column) in BETTER]


def _panels(measured: CellTable, columns: Sequence[str], width: float, height: float) -> tuple[Figure, Any]:
    figure = drawing.sheet(max(1.9 + width * len(columns), 5.6), height, footer(measured))
    return figure, figure.subplots(1, len(columns), squeeze=False)[0]


def _point(axes: Axes, place: int, cell: Cell) -> None:
    if cell.value is None:
        at: Any = {"xy": (0.02, place), "xycoords": ("axes fraction", "data"), "va": "center"}
        axes.annotate("not run", fontsize=7, color=GREY, **at)
    drawing.intervals(
        axes, [place], [cell.value], [cell.ci_low], [cell.ci_high], PALETTE["blue"], "o", vertical=False
    )
    if cell.published is not None:
        axes.plot([cell.published], [place], **HOLLOW)


def _course(axes: Axes, schedule: str, own: Mapping[str, Cell], guidance: Mapping[str, Guidance]) -> Any:
    name, marker, dashes = STYLES[schedule]
    found = sorted(
        (0.0 if guidance[row].schedule == "none" else guidance[row].w_max, row)
        for row in own
        if guidance[row].schedule in ("none", schedule) and own[row].value is not None
    )
    at, cells = [w for w, _ in found], [own[row] for _, row in found]
    values: Any = [cell.value for cell in cells]
    colour = COLOURS[schedule]
    drawing.intervals(axes, at, values, [c.ci_low for c in cells], [c.ci_high for c in cells], colour, marker)
    (handle,) = axes.plot(at, values, color=colour, marker=marker, linestyle=dashes, label=as_mathtext(name))
    published = [(w, cell.published) for w, cell in zip(at, cells, strict=True) if cell.published is not None]
    for place in published:
        axes.plot(*place, **HOLLOW)
    return handle


def _labelled(cell: Cell) -> str:
    unit = f" ({cell.unit})" if cell.unit else ""
    return f"{cell.column}{unit}, {BETTER[cell.metric]}"


def _key(figure: Figure, measured: CellTable, columns: Sequence[str], handles: list[Any]) -> None:
    from matplotlib.lines import Line2D

    if any(cell.published is not None for cell in measured.cells if cell.column in columns):
        handles = [*handles, Line2D([], [], label="published", **HOLLOW)]
    about = trained_on(measured)
    heading = about[:1].upper() + about[1:]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=max(len(handles), 1), fontsize=8, title=heading
    )
