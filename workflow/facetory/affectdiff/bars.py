"""What Affect-Diff's figures share: bars with intervals, the key of published values, what was not run."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from facetory.report import drawing
from facetory.report.cells import Cell, CellTable
from facetory.report.drawing import GREY
from facetory.report.notes import footer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

Rows = list[dict[str, Any]]
TOLD = {
    "row",
    "column",
    "value",
    "ci_low",
    "ci_high",
    "n",
    "unit",
    "published",
    "status",
    "reason",
    "dataset",
}


def bars(
    axes: Axes, at: Sequence[float], cells: Sequence[Cell], width: float, colour: str, vertical: bool = True
) -> None:
    """A bar a cell with its interval and, hollow, its published value.

    What did not run is said in its place, and a measured zero, which has no bar, is written.
    """
    across = {"rotation": 90} if width < 0.5 and vertical else {}
    for place, cell in zip(at, cells, strict=True):
        if cell.status == "not_run":
            _write(axes, place, "not run", vertical, GREY, **across)
        if cell.value is not None:
            (axes.bar if vertical else axes.barh)(place, cell.value, width, color=colour)
            if cell.ci_low is not None and cell.ci_high is not None:
                _line(axes, [place] * 2, [cell.ci_low, cell.ci_high], vertical, color="black", linewidth=1)
        if cell.value == 0:
            _write(axes, place, "0", vertical, "black")
        if cell.published is not None:
            _line(axes, [place + width / 4], [cell.published], vertical, clip_on=False, **hollow())


def hollow(size: float = 4.5) -> dict[str, Any]:
    """The marker of a published value."""
    face: dict[str, Any] = {"markerfacecolor": "white", "markeredgecolor": "#444444"}
    return face | {"linestyle": "none", "marker": "D", "markersize": size, "zorder": 4}


def published_key(cells: Iterable[Cell]) -> list[Line2D]:
    """The hollow marker's line of a legend, where any value is published."""
    from matplotlib.lines import Line2D

    known = [cell for cell in cells if cell.published is not None]
    slot = next((cell.slot_title for cell in known if cell.stand_in and cell.slot_title), None)
    where = f", on {slot}" if slot else ""
    return [Line2D([], [], label=f"published{where}", **hollow())] if known else []


def lost(measured: CellTable) -> str:
    """What was not run, and why: a sentence for each reason; a row that has other values with its columns."""
    partly = {cell.row for cell in measured.cells if cell.value is not None}
    rows: dict[str, dict[str, list[str]]] = {}
    for cell in measured.cells:
        if cell.status == "not_run":
            of_reason = rows.setdefault((cell.reason or "").rstrip(". "), {})
            of_reason.setdefault(cell.row, []).append(cell.column)
    return " ".join(
        f"Not run: {_lost_rows(of_reason, measured, partly)} ({reason})."
        for reason, of_reason in rows.items()
    )


def note(measured: CellTable, rule: str = "", statistics: bool = True) -> str:
    """A figure's small print: how to read it, what stands under every figure, and what was not run."""
    return " ".join(part for part in (rule, footer(measured, statistics), lost(measured)) if part)


def nothing_ran(measured: CellTable) -> tuple[Any, Rows] | None:
    """The figure that says why, where no cell has a value; None where one has."""
    if any(cell.value is not None for cell in measured.cells):
        return None
    figure = drawing.sheet(6.4, 2.4, note(measured))
    reason = next((cell.reason for cell in measured.cells if cell.reason), "")
    drawing.not_run(figure.subplots(), reason, width=70)
    return figure, told(measured.cells)


def told(cells: Iterable[Cell]) -> Rows:
    """The CSV's rows of cells."""
    return [cell.model_dump(include=TOLD) for cell in cells]


def labelled(name: str, cells: Sequence[Cell]) -> str:
    """An axis's label with the unit of its cells."""
    unit = cells[0].unit
    return f"{name} ({unit})" if unit else name


def whole_epochs(axes: Axes) -> None:
    """Name the x axis, with ticks at whole epochs."""
    axes.set_xlabel("epoch")
    axes.locator_params(axis="x", integer=True)


def wrapped(name: str, width: int) -> str:
    """A label broken at spaces and hyphens."""
    return "\n".join(textwrap.wrap(name, width, break_long_words=False))


def _lost_rows(columns: dict[str, list[str]], measured: CellTable, partly: set[str]) -> str:
    if [*columns] == measured.rows and not partly:
        return "all"
    return ", ".join(
        f"{' and '.join(own)} of {row}" if row in partly else row for row, own in columns.items()
    )


def _line(axes: Axes, at: Sequence[float], value: Sequence[float], vertical: bool, **style: Any) -> None:
    axes.plot(*((at, value) if vertical else (value, at)), **style)


def _write(axes: Axes, place: float, text: str, vertical: bool, colour: str, **style: Any) -> None:
    where, away = ((place, 0), (0, 6)) if vertical else ((0, place), (6, 0))
    ends: dict[str, Any] = {"ha": "center", "va": "bottom"} if vertical else {"ha": "left", "va": "center"}
    axes.annotate(text, where, away, textcoords="offset points", fontsize=6.5, color=colour, **ends, **style)
