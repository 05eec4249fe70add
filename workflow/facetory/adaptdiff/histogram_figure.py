"""Figs. 1 and 3: genuine and impostor scores of each method's faces, and the metrics of their separation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from facetory.adaptdiff.figure_rows import NUMBERS, Rows, nothing_ran, reason, trained_on
from facetory.report import drawing
from facetory.report.cells import Cell, CellTable
from facetory.report.drawing import PALETTE
from facetory.report.notes import footer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPAN = (-0.4, 1.0)
"""The cosines that the axis shows, or more to the left where there are scores."""
WIDTH = 0.02
"""Of the bins that are drawn, in cosine."""
COUNTED = ("edges", "genuine_counts", "impostor_counts")
COLOURS = {"genuine": PALETTE["blue"], "impostor": PALETTE["orange"]}
METRICS = {
    "eer": "EER",
    "fmr100": "FMR100",
    "fmr1000": "FMR1000",
    "genuine_mean": "G-mean",
    "genuine_std": "G-STD",
    "impostor_mean": "I-mean",
    "impostor_std": "I-STD",
    "fdr": "FDR",
}
RULE = "Densities of the first seed's scores, on the same axes; in brackets the published metrics."


class Densities(NamedTuple):
    """Densities (bins,) of genuine and impostor cosines between ``edges`` (bins + 1,)."""

    edges: np.ndarray
    genuine: np.ndarray
    impostor: np.ndarray


def densities_of(records: Mapping[str, np.ndarray]) -> Densities:
    """From the histograms of a separation's records, equal bins merged to about `WIDTH`."""
    edges, genuine, impostor = (np.asarray(records[name]) for name in COUNTED)
    merged = max(1, round(WIDTH / (edges[1] - edges[0])))
    wide = np.append(edges[:-1:merged], edges[-1]).astype(float)
    return Densities(wide, *(density(counts, merged, wide) for counts in (genuine, impostor)))


def span(densities: Iterable[Densities]) -> tuple[float, float]:
    """`SPAN`, from further left where scores lie there."""
    lowest = min(own.edges[np.argmax(own.genuine + own.impostor > 0)] for own in densities)
    return min(SPAN[0], float(np.floor(10 * lowest) / 10)), SPAN[1]


def density(counts: np.ndarray, merged: int, edges: np.ndarray) -> np.ndarray:
    """Counts (bins,) as a density over bins of ``merged`` each, whose ends are ``edges``."""
    own = np.add.reduceat(counts, np.arange(0, len(counts), merged)).astype(float)
    return own / (own.sum() * np.diff(edges))


def histograms(measured: CellTable, densities: Mapping[str, Densities]) -> tuple[Figure, Rows]:
    """A panel a method (row of the table); ``densities`` by row, of those that ran."""
    if empty := nothing_ran(measured):
        return empty
    note = f"{RULE} {_counts(measured)} {footer(measured, statistics=False)}"
    figure = drawing.sheet(3.1 * len(measured.rows), 3.4, note)
    line = figure.subplots(1, len(measured.rows), squeeze=False)[0]
    tallest = max(max(own.genuine.max(), own.impostor.max()) for own in densities.values())
    for axes, method in zip(line, measured.rows, strict=True):
        own = [cell for cell in measured.cells if cell.row == method]
        if method in densities:
            panel(axes, densities[method], [_word(cell) for cell in own if cell.metric in METRICS])
            axes.set_xlim(span(densities.values()))
            axes.set_ylim(0, 1.05 * tallest)
        else:
            drawing.not_run(axes, reason(own))
        drawing.title(axes, method)
    line[0].set_ylabel("density")
    handles, labels = next(axes for axes in line if axes.patches).get_legend_handles_labels()
    heading = f"Scores of synthetic faces, {trained_on(measured)}"
    figure.legend(handles, labels, loc="outside upper center", ncols=2, title=heading)
    return figure, [*_metric_rows(measured), *_bin_rows(measured, densities)]


def panel(axes: Axes, own: Densities, metrics: Sequence[str]) -> None:
    """Both densities, with the metrics below in two columns."""
    for name, colour in COLOURS.items():
        heights = getattr(own, name)
        axes.stairs(heights, own.edges, fill=True, color=colour, alpha=0.35, label=f"{name} pairs")
        axes.stairs(heights, own.edges, color=colour, linewidth=1.1)
    axes.set_xlabel("cosine similarity")
    words = [word for word in metrics if word]
    half = (len(words) + 1) // 2
    left = max(map(len, words[:half]), default=0)
    pairs = zip_longest(words[:half], words[half:], fillvalue="")
    text = "\n".join(f"{one:<{left}}  {other}" for one, other in pairs)
    place: Any = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "center", "va": "top"}
    look: Any = {"family": "DejaVu Sans Mono", "fontsize": 6.6, "linespacing": 1.4, "ma": "left"}
    axes.annotate(text, (0.5, 0), (0, -34), **place, **look)


def _word(cell: Cell) -> str:
    """``EER     0.037 [0.048]``: a metric with its published value, both at the paper's digits."""
    if cell.value is None:
        return ""
    published = "" if cell.published is None else f" [{cell.published:.{cell.decimals}f}]"
    return f"{METRICS[cell.metric]:<7} {cell.value:.{cell.decimals}f}{published}"


def _counts(measured: CellTable) -> str:
    """``450 genuine and 15,660 impostor scores a panel.``"""
    own = {(cell.metric, cell.n): None for cell in measured.cells if cell.n}
    counts = [f"{n:,} {kind}" for kind in COLOURS for metric, n in own if metric == f"{kind}_mean"]
    return f"{' and '.join(counts)} scores a panel." if counts else ""


def _metric_rows(measured: CellTable) -> Rows:
    return [
        _row(cell.row, METRICS[cell.metric]) | {name: getattr(cell, name) for name in (*NUMBERS, *ABOUT)}
        for cell in measured.cells
        if cell.metric in METRICS
    ]


def _bin_rows(measured: CellTable, densities: Mapping[str, Densities]) -> Rows:
    return [
        _row(method, f"{name} density") | {"left": left, "right": right, "value": round(float(density), 6)}
        for method in measured.rows
        if method in densities
        for name in COLOURS
        for left, right, density in zip(
            densities[method].edges[:-1].round(6).tolist(),
            densities[method].edges[1:].round(6).tolist(),
            getattr(densities[method], name),
            strict=True,
        )
    ]


ABOUT = ("status", "reason", "dataset", "trained_on")


def _row(method: str, what: str) -> dict[str, object]:
    return {"method": method, "what": what} | dict.fromkeys(("left", "right", *NUMBERS, *ABOUT))
