"""EmoDC's Figs. 5 and 6 in the paper's arrangement, drawn from cells and confusion counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from facetory.emodc.cells import Confusion
from facetory.metrics.classification import row_normalised
from facetory.report import drawing
from facetory.report.cells import Cell, CellTable
from facetory.report.drawing import PALETTE
from facetory.report.layout import number
from facetory.report.notes import footer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VARIANTS = {
    "Base": (PALETTE["blue"], "o"),
    "CoDiT": (PALETTE["orange"], "s"),
    "FMDiT": (PALETTE["green"], "^"),
    "AMDiT": (PALETTE["vermillion"], "D"),
}
Rows = list[dict[str, Any]]


def abbreviations(classes: Sequence[str]) -> list[str]:
    """Fig. 5's class labels: Su, Fe, …, HaSu; the full names where two classes would share one."""
    short = ["".join(part[:2].capitalize() for part in name.split("_")) for name in classes]
    return short if len(set(short)) == len(short) else list(classes)


def fig5(measured: CellTable, counted: Mapping[tuple[str, str], Confusion]) -> tuple[Figure, Rows]:
    """Confusion matrices in percent of the true class: a row a dataset, a column a variant.

    Above each matrix stands the mean class accuracy; row labels carry the number of samples.
    """
    slots, variants = measured.columns, measured.rows
    cells = {(cell.row, cell.column): cell for cell in measured.cells}
    legend = "Above each matrix: mean class accuracy. In it: percent of the true class, 0 left blank."
    figure = drawing.sheet(3 * len(variants), 3.05 * len(slots), f"{legend} {footer(measured)}")
    panels = figure.subplots(len(slots), len(variants), squeeze=False)
    rows: Rows = []
    for i, slot in enumerate(slots):
        for j, variant in enumerate(variants):
            axes, cell, confusion = panels[i][j], cells[variant, slot], counted.get((variant, slot))
            if confusion:
                _confusion(axes, confusion, with_counts=j == 0)
                rows += _confusion_rows(cell, confusion)
            else:
                drawing.not_run(axes, cell.reason or "")
                axes.set_box_aspect(1)
                rows.append(_confusion_row(cell))
            accuracy = "" if cell.value is None else f": {number(cell.value)} %"
            drawing.title(axes, f"{variant}{accuracy}")
            if j == 0:
                axes.set_ylabel(f"{_on(cell)}\ntrue class (samples)")
            if i == len(slots) - 1:
                axes.set_xlabel("predicted class")
    return figure, rows


def _confusion(axes: Axes, confusion: Confusion, with_counts: bool) -> None:
    samples = confusion.counts.sum(axis=1).tolist() if with_counts else None
    drawing.matrix(axes, 100 * row_normalised(confusion.counts), abbreviations(confusion.classes), samples)


def _confusion_rows(cell: Cell, confusion: Confusion) -> Rows:
    percent = 100 * row_normalised(confusion.counts)
    names = confusion.classes
    return [
        _confusion_row(cell)
        | {
            "true": true,
            "predicted": predicted,
            "count": int(confusion.counts[i, j]),
            "percent": float(percent[i, j]) if confusion.counts[i].any() else None,
        }
        for i, true in enumerate(names)
        for j, predicted in enumerate(names)
    ]


def _confusion_row(cell: Cell) -> dict[str, Any]:
    about = {"slot": cell.slot, "dataset": cell.dataset, "variant": cell.row}
    drawn = {"true": None, "predicted": None, "count": None, "percent": None}
    judged = {"mean_class_accuracy": cell.value, "status": cell.status, "reason": cell.reason}
    return about | drawn | judged


def fig6(measured: CellTable) -> tuple[Figure, Rows]:
    """Accuracy over the timestep of a 1-step evaluation (above) and over the number of steps (below).

    A column a dataset; hollow markers are the values that the paper's text and tables give.
    """
    slots = list(dict.fromkeys(cell.slot for cell in measured.cells))
    figure = drawing.sheet(3.1 * len(slots), 6.3, footer(measured))
    panels = figure.subplots(2, len(slots), sharey="col", squeeze=False)
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    rows: Rows = []
    for kind, line in zip(("1-step", "Multi-step"), panels, strict=True):
        for axes, slot in zip(line, slots, strict=True):
            cells = [
                c for c in measured.cells if c.slot == slot and (c.timestep is not None) == (kind == "1-step")
            ]
            letter = next(letters)
            rows += _panel(axes, letter, cells)
            drawing.title(axes, f"({letter}) {kind} on {_on(cells[0])}")
        line[0].set_ylabel("accuracy (%)")
    _legend(figure, panels, measured)
    return figure, rows


def _panel(axes: Axes, letter: str, cells: Sequence[Cell]) -> Rows:
    """One panel: every variant's curve, its published points, and what was not run."""
    places = _places(cells)
    if all(cell.value is None for cell in cells):
        drawing.not_run(axes, cells[0].reason or "")
    else:
        for variant in dict.fromkeys(cell.row for cell in cells):
            own = [cell for cell in cells if cell.row == variant]
            at = [places[cell.column] for cell in own]
            colour, marker = VARIANTS[variant]
            value, low, high = ([getattr(c, key) for c in own] for key in ("value", "ci_low", "ci_high"))
            drawing.curve(axes, at, value, low, high, colour, marker, variant)
            drawing.published_points(axes, at, [cell.published for cell in own], colour, marker)
        _axis(axes, cells, places)
        _missing(axes, cells, places)
    return [
        {
            "panel": letter,
            "slot": cell.slot,
            "dataset": cell.dataset,
            "variant": cell.row,
            "point": cell.column,
            "x": places[cell.column],
            "timesteps": cell.grid,
            **cell.model_dump(include={"value", "ci_low", "ci_high", "n", "published", "status", "reason"}),
        }
        for cell in cells
    ]


def _places(cells: Sequence[Cell]) -> dict[str, float]:
    """Where a point stands: at its timestep, or at the rank of its number of steps."""
    points = {cell.column: cell.timestep for cell in cells}
    return {column: float(i if t is None else t) for i, (column, t) in enumerate(points.items())}


def _axis(axes: Axes, cells: Sequence[Cell], places: Mapping[str, float]) -> None:
    if cells[0].timestep is not None:
        axes.set_xticks(range(0, 1001, 200))
        axes.set_xlabel("timestep")
        return
    points = {cell.column: cell for cell in cells}
    ran = {c: "" if p.grid in (None, p.steps) else f"\n({p.grid} ran)" for c, p in points.items()}
    axes.set_xticks(list(places.values()), [f"{points[c].steps}{ran[c]}" for c in places])
    axes.set_xlim(-0.4, len(places) - 0.6)
    axes.set_xlabel("number of timesteps")


def _missing(axes: Axes, cells: Sequence[Cell], places: Mapping[str, float]) -> None:
    """Grey strips where no variant ran, and the names of variants that did not run at all."""
    ran = {cell.column for cell in cells if cell.value is not None}
    empty = [places[column] for column in places if column not in ran]
    if empty and cells[0].timestep is None:
        for left, right in _stretches(empty):
            drawing.not_run_strip(axes, left - 0.4, right + 0.4)
    lost = [v for v in VARIANTS if all(c.value is None for c in cells if c.row == v)]
    if lost:
        axes.text(0.03, 0.03, f"not run: {', '.join(lost)}", transform=axes.transAxes, fontsize=7.5)


def _stretches(places: Sequence[float]) -> list[tuple[float, float]]:
    """Neighbouring ranks joined: [3, 4, 5] is one stretch."""
    stretches: list[tuple[float, float]] = []
    for place in places:
        if stretches and place == stretches[-1][1] + 1:
            stretches[-1] = (stretches[-1][0], place)
        else:
            stretches.append((place, place))
    return stretches


def _legend(figure: Figure, panels: Any, measured: CellTable) -> None:
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], color=c, marker=m, markeredgecolor="white", label=v) for v, (c, m) in VARIANTS.items()
    ]
    where = ", on the paper's own datasets" if any(cell.stand_in for cell in measured.cells) else ""
    hollow = Line2D(
        [],
        [],
        linestyle="none",
        marker="o",
        markerfacecolor="none",
        markeredgecolor=drawing.GREY,
        label=f"published{where}",
    )
    figure.legend(handles=[*lines, hollow], loc="outside upper center", ncols=len(lines) + 1)


def _on(cell: Cell) -> str:
    """The slot, and the dataset that stands in for it."""
    return f"{cell.slot_title}" + (f"\n[{cell.dataset}]" if cell.stand_in else "")
