"""One figure an ablation: accuracy against a loss's hyper-parameter, or for each non-negative prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from facetory.report import drawing
from facetory.report.cells import Cell, CellTable
from facetory.report.drawing import GREY, PALETTE
from facetory.report.labels import as_mathtext
from facetory.report.notes import footer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SERIES = ((PALETTE["blue"], "o"), (PALETTE["green"], "^"), (PALETTE["vermillion"], "D"))
DODGE = 0.12


def ablation(measured: CellTable) -> tuple[Figure, list[dict[str, Any]]]:
    """A single row (Table II) becomes a dot plot of its columns; rows become places on the x axis."""
    figure = drawing.sheet(6.4, 3.9 if len(measured.rows) > 1 else 2.4, footer(measured))
    axes = figure.subplots()
    drawn = _by_setting(axes, measured) if len(measured.rows) > 1 else _dots(axes, measured)
    if all(cell.value is None for cell in drawn):
        drawing.not_run(axes, drawn[0].reason or "", width=70)
    return figure, [_row(cell) for cell in drawn]


def _by_setting(axes: Axes, measured: CellTable) -> list[Cell]:
    """Base first, then each value of the hyper-parameter; a series for each number of timesteps."""
    columns = [name for name in measured.columns if any(c.steps for c in measured.cells if c.column == name)]
    drawn = [cell for cell in measured.cells if cell.column in columns]
    method = measured.rows[-1].partition(", ")[0]
    for i, (column, (colour, marker)) in enumerate(zip(columns, SERIES, strict=True)):
        own = [cell for cell in drawn if cell.column == column]
        at = [place + DODGE * (i - (len(columns) - 1) / 2) for place in range(len(own))]
        value, low, high = ([getattr(c, key) for c in own] for key in ("value", "ci_low", "ci_high"))
        drawing.intervals(axes, at, value, low, high, colour, marker)
        axes.plot(at[1:], [float("nan") if v is None else v for v in value[1:]], color=colour)
        if value[0] is not None:
            axes.axhline(value[0], color=colour, linestyle="--", linewidth=0.9, zorder=1)
        drawing.published_points(axes, at, [cell.published for cell in own], colour, marker)
    for place, row in enumerate(measured.rows):
        if all(cell.value is None for cell in drawn if cell.row == row):
            drawing.not_run_strip(axes, place - 0.4, place + 0.4)
    labels = [row.rpartition(" = ")[2] for row in measured.rows]
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.5, len(labels) - 0.5)
    symbol = measured.rows[-1].partition(", ")[2].partition(" = ")[0]
    axes.set_xlabel(as_mathtext(f"{symbol} of {method}"))
    axes.set_ylabel("accuracy (%)")
    drawing.title(axes, f"{method} on {_on(drawn[0])}")
    _key(
        axes,
        {_series(drawn, column): style for column, style in zip(columns, SERIES, strict=True)},
        "Base",
        drawn,
    )
    return drawn


def _dots(axes: Axes, measured: CellTable) -> list[Cell]:
    """A line a prompt, the accuracy with its interval along x."""
    cells = measured.cells
    at = [float(i) for i in range(len(cells))]
    colour, marker = SERIES[0]
    value, low, high = ([getattr(c, key) for c in cells] for key in ("value", "ci_low", "ci_high"))
    drawing.intervals(axes, at, value, low, high, colour, marker, vertical=False)
    known = [
        (cell.published, place) for cell, place in zip(cells, at, strict=True) if cell.published is not None
    ]
    drawing.published_points(axes, [p for p, _ in known], [place for _, place in known], colour, marker)
    axes.set_yticks(at, [as_mathtext(f"c_nn = {cell.column}") for cell in cells])
    axes.set_ylim(len(cells) - 0.5, -0.5)
    axes.set_xlabel("accuracy (%)")
    drawing.title(axes, f"Non-negative prompt of AMDiT on {_on(cells[0])}")
    _key(axes, {_series(cells, cells[0].column, "here"): (colour, marker)}, None, cells)
    return cells


def _series(cells: list[Cell], column: str, name: str | None = None) -> str:
    cell = next(cell for cell in cells if cell.column == column)
    ran = "" if cell.grid in (None, cell.steps) else f" ({cell.grid} ran)"
    return f"{name or column}{ran}" if name is None else f"{name}, {cell.steps}-step{ran}"


def _key(axes: Axes, series: dict[str, tuple[str, str]], reference: str | None, cells: list[Cell]) -> None:
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], color=colour, marker=marker, label=name) for name, (colour, marker) in series.items()
    ]
    if reference:
        lines.append(Line2D([], [], color=GREY, linestyle="--", linewidth=0.9, label=reference))
    where = f", on {cells[0].slot_title}" if cells[0].stand_in else ""
    hollow = {"marker": "o", "markerfacecolor": "none", "markeredgecolor": GREY, "linestyle": "none"}
    lines.append(Line2D([], [], **hollow, label=f"published{where}"))  # type: ignore[arg-type]
    axes.legend(handles=lines, loc="center left", bbox_to_anchor=(1.01, 0.5))


def _on(cell: Cell) -> str:
    return f"{cell.slot_title}" + (f" [{cell.dataset}]" if cell.stand_in else "")


def _row(cell: Cell) -> dict[str, Any]:
    return cell.model_dump(
        include={"row", "column", "steps", "grid", "value", "ci_low", "ci_high", "n", "published"}
        | {"status", "reason", "dataset"}
    )
