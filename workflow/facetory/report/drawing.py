"""Primitives that every figure shares: sheet, curves, matrices, panels that were not run, footer, files."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from facetory.pipeline.files import write_text, written_aside
from facetory.report.labels import as_mathtext, plain_mathtext
from facetory.report.spreadsheet import csv_text

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito (2008), the colours that stay apart under the common colour-vision deficiencies.
PALETTE = {
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "black": "#000000",
}
GREY, LIGHT_GREY = "#666666", "#EFEFEF"
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
}
FILLS = {
    "data": "#FFFFFF",
    "frozen": "#CFE3F2",
    "trained": "#FBD9BF",
    "text": "#D5EFE3",
    "result": "#F1F1F1",
}
"""Fills of a diagram's boxes: tints of the palette that differ in lightness too."""
FOOTER_LINE, FOOTER_WIDTH = 0.15, 16.5
LETTER_WIDTH = 0.6
"""Of a letter, on average, in shares of the font's size."""


@contextmanager
def style() -> Iterator[None]:
    """The house style, for the time of drawing and saving."""
    from matplotlib import rc_context

    with rc_context(STYLE):  # type: ignore[arg-type]
        yield


def sheet(width: float, height: float, footer: str) -> Figure:
    """An empty figure (inches) with a footer of small print; its subplots keep clear of the footer."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    text = textwrap.fill(footer, int(width * FOOTER_WIDTH))
    below = FOOTER_LINE * (text.count("\n") + 1) + 0.1
    figure = Figure((width, height + below), layout="constrained")
    FigureCanvasAgg(figure)
    share = below / (height + below)
    figure.get_layout_engine().set(rect=(0, share, 1, 1 - share))  # type: ignore[union-attr, call-arg]
    figure.text(0.01, 0.05 / (height + below), plain_mathtext(text), fontsize=7.5, color=GREY, va="bottom")
    return figure


def curve(
    axes: Axes,
    x: Sequence[float],
    value: Sequence[float | None],
    low: Sequence[float | None],
    high: Sequence[float | None],
    colour: str,
    marker: str,
    label: str,
) -> None:
    """A line with markers and a light band of intervals; points without a value leave a gap."""
    import numpy as np

    y, below, above = (
        np.array([np.nan if v is None else v for v in row], float) for row in (value, low, high)
    )
    axes.fill_between(x, below, above, color=colour, alpha=0.13, linewidth=0)
    axes.plot(x, y, color=colour, marker=marker, markeredgecolor="white", markeredgewidth=0.5, label=label)


def published_points(
    axes: Axes, x: Sequence[float], value: Sequence[float | None], colour: str, marker: str
) -> None:
    """Published values as hollow markers, without a line."""
    known = [(at, v) for at, v in zip(x, value, strict=True) if v is not None]
    if known:
        axes.plot(
            *zip(*known, strict=True),
            linestyle="none",
            marker=marker,
            markerfacecolor="none",
            markeredgecolor=colour,
            markeredgewidth=1.2,
            markersize=6.5,
        )


def intervals(
    axes: Axes,
    at: Sequence[float],
    value: Sequence[float | None],
    low: Sequence[float | None],
    high: Sequence[float | None],
    colour: str,
    marker: str,
    vertical: bool = True,
) -> None:
    """Points with interval bars along y, or along x unless ``vertical``; a None is left out."""
    for place, v, below, above in zip(at, value, low, high, strict=True):
        if v is None:
            continue
        if below is not None and above is not None:
            span, ends = [below, above], [place, place]
            axes.plot(*((ends, span) if vertical else (span, ends)), color=colour, linewidth=1.2)
        axes.plot(*((place, v) if vertical else (v, place)), color=colour, marker=marker)


def matrix(
    axes: Axes, percent: np.ndarray, names: Sequence[str], counts: Sequence[int] | None = None
) -> None:
    """A row-normalised confusion matrix in percent (K, K) with its numbers; rows are true classes.

    ``counts`` (K,) adds each class's number of samples to the row labels.  Rows of NaN stay white.
    """
    import numpy as np

    axes.imshow(np.ma.masked_invalid(percent), cmap="Blues", vmin=0, vmax=100, aspect="equal")
    rows = [f"{n}  {c}" for n, c in zip(names, counts, strict=True)] if counts is not None else list(names)
    axes.set_xticks(range(len(names)), names, rotation=90 if len(names) > 7 else 0)
    axes.set_yticks(range(len(names)), rows)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    for (i, j), value in np.ndenumerate(percent):
        if np.isfinite(value) and value >= 0.5:
            axes.text(
                j,
                i,
                f"{value:.0f}",
                ha="center",
                va="center",
                fontsize=8 if len(names) <= 7 else 6,
                color="white" if value > 55 else "black",
            )


def not_run(axes: Axes, reason: str, width: int = 34) -> None:
    """Grey out a panel and print why it was not run."""
    axes.clear()
    axes.set_facecolor(LIGHT_GREY)
    axes.grid(False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    text = "not run\n\n" + "\n".join(textwrap.wrap(reason, width, break_long_words=False))
    axes.text(
        0.5,
        0.5,
        plain_mathtext(text),
        transform=axes.transAxes,
        ha="center",
        va="center",
        color="#444444",
        fontsize=7.5,
    )


def not_run_strip(axes: Axes, left: float, right: float) -> None:
    """Grey out a stretch of the x axis that was not run."""
    axes.axvspan(left, right, color=LIGHT_GREY, zorder=0, linewidth=0)
    axes.text(
        (left + right) / 2,
        0.04,
        "not run",
        transform=axes.get_xaxis_transform(),
        rotation=90,
        ha="center",
        va="bottom",
        color=GREY,
        fontsize=7.5,
    )


def title(axes: Axes, text: str) -> None:
    """A panel's title, with the paper's symbols set."""
    axes.set_title(as_mathtext(text))


def picture(axes: Axes, image: np.ndarray) -> None:
    """An RGB uint8 image (h, w, 3), without axes."""
    axes.imshow(image, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    axes.spines[:].set_visible(False)


class Box(NamedTuple):
    """A component of a diagram: corner, size and text, its kind (`FILLS`) and the code it stands for."""

    name: str
    x: float
    y: float
    width: float
    height: float
    text: str
    kind: str
    code: str


def canvas(axes: Axes, width: float, height: float) -> Axes:
    """Axes as a sheet for a diagram, in units of its own."""
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_aspect("equal")
    axes.axis("off")
    return axes


def box(axes: Axes, own: Box) -> None:
    """A rounded box with its text in the middle."""
    _rounded(axes, own.x, own.y, own.width, own.height, FILLS[own.kind])
    middle = own.x + own.width / 2, own.y + own.height / 2
    axes.text(*middle, own.text, ha="center", va="center", fontsize=7.5, linespacing=1.45)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """An arrow between two points."""
    style = {"arrowstyle": "-|>", "color": GREY, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=style)


def beside(one: Box, other: Box) -> tuple[tuple[float, float], tuple[float, float]]:
    """Start and end of a straight arrow between two boxes, in the middle of the stretch they share."""
    across = min(one.x + one.width, other.x + other.width) + max(one.x, other.x)
    along = min(one.y + one.height, other.y + other.height) + max(one.y, other.y)
    if other.x >= one.x + one.width:
        return (one.x + one.width, along / 2), (other.x, along / 2)
    if one.x >= other.x + other.width:
        return (one.x, along / 2), (other.x + other.width, along / 2)
    if other.y > one.y:
        return (across / 2, one.y + one.height), (across / 2, other.y)
    return (across / 2, one.y), (across / 2, other.y + other.height)


def key(axes: Axes, x: float, y: float, meanings: Mapping[str, str]) -> None:
    """What the colours of the boxes mean, in a line."""
    for kind, meaning in meanings.items():
        _rounded(axes, x, y, 2, 1.4, FILLS[kind])
        axes.text(x + 2.8, y + 0.7, meaning, va="center", fontsize=7.5, color=GREY)
        x += 6 + 0.75 * len(meaning)


def _rounded(axes: Axes, x: float, y: float, width: float, height: float, fill: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    shape = "round,pad=0,rounding_size=0.6"
    axes.add_patch(
        FancyBboxPatch((x, y), width, height, shape, facecolor=fill, edgecolor=GREY, linewidth=0.9)
    )


def watermark(figure: Figure, text: str) -> None:
    """Write a word large and faint across a figure, at most 4/5 of its width and twice its height long."""
    width, height = figure.get_size_inches()
    letter = min(0.8 * width, 2 * height) / len(text)
    across: dict[str, Any] = {"color": GREY, "alpha": 0.18, "rotation": 20, "ha": "center", "va": "center"}
    figure.text(0.5, 0.5, text, fontsize=72 * letter / LETTER_WIDTH, zorder=9, **across)


def save(figure: Figure, stem: Path | str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``<stem>.pdf``, ``.png`` and the drawn data as ``.csv``, atomically.

    Equal figures give equal bytes: no date or version is stored.
    """
    for suffix, metadata in (
        (".pdf", {"CreationDate": None, "Producer": None}),
        (".png", {"Software": None}),
    ):
        with written_aside(f"{stem}{suffix}") as aside:
            figure.savefig(aside, metadata=metadata)
        figure.set_layout_engine("none")
    write_text(f"{stem}.csv", csv_text(rows[0], rows))
