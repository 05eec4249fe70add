"""Fig. 2: the causal attention graph in detail, with the edges that the full model has learnt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from facetory.affectdiff.bars import Rows, note
from facetory.affectdiff.course import EDGES, Course
from facetory.affectdiff.course_figure import MODALITY_COLOURS
from facetory.data.mosei.spec import MODALITIES
from facetory.report import drawing
from facetory.report.cells import CellTable
from facetory.report.drawing import GREY, Box, beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 100, 44
NODES = {"t": (45.0, 35.0), "a": (34.0, 12.0), "v": (56.0, 12.0)}
RADIUS, APART = 3.6, 1.3
THINNEST, THICKEST = 0.8, 4.5
BEST = "Edges and weights: means over the validation split at epoch {epoch:g}, whose weights were kept."
UNKNOWN = "Edges without numbers: the full model was not run."
Kept = Mapping[str, float]


def fig2(measured: CellTable, own: Course | None) -> tuple[Figure, Rows]:
    """Nodes T, A, V with their six edges, as wide as the mean adjacency, and the importance weights."""
    kept = at_best(own) if own else None
    rule = BEST.format(epoch=own.best) if own else UNKNOWN
    figure = drawing.sheet(WIDTH / 10, HEIGHT / 10, note(measured, rule, statistics=False))
    axes = drawing.canvas(figure.subplots(), WIDTH, HEIGHT)
    boxes = {box.name: box for box in detail_boxes()}
    for box in boxes.values():
        drawing.box(axes, box)
    for one, other in (("pooled T", "scores"), ("pooled A", "scores"), ("pooled V", "scores")):
        drawing.arrow(axes, *beside(boxes[one], boxes[other]))
    for one, other in (("column sums", "softmax"), ("softmax", "gate"), ("softmax", "condition")):
        drawing.arrow(axes, *beside(boxes[one], boxes[other]))
    drawing.arrow(axes, (24.5, 23.5), (29, 23.5))
    drawing.arrow(axes, (61.5, 23.5), (66, 23.5))
    for edge in EDGES:
        _edge(axes, edge, kept)
    for name, (x, y) in NODES.items():
        _node(axes, name, x, y, kept)
    _penalty(axes)
    return figure, _rows(kept, own)


def at_best(own: Course) -> dict[str, float]:
    """The validation numbers of the epoch whose weights were kept."""
    at = int(np.argmin(np.abs(own.validated - own.best)))
    return {name: float(values[at]) for name, values in own.validation.items()}


def detail_boxes() -> list[Box]:
    """The components beside the graph itself."""
    code = "facetory.affectdiff"
    lanes = [
        Box(
            f"pooled {m}",
            1,
            y,
            11,
            6,
            rf"$\bar h^{m}$ = mean" "\n" rf"over time of $h^{m}$",
            "result",
            f"{code}.encoders",
        )
        for m, y in (("T", 31.5), ("A", 20.5), ("V", 9.5))
    ]
    scores = "edge\nscores\n\n$Q$, $K$\n\n" r"$\frac{q_i^\top k_j}{\sqrt{H}}$" "\n\n" r"$i \neq j$"
    return [
        *lanes,
        Box("scores", 15.5, 9.5, 9, 28, scores, "trained", f"{code}.graph.CausalGraph"),
        Box(
            "column sums",
            66,
            19.5,
            11,
            8,
            "column sums\n" r"$A^\top 1$",
            "result",
            f"{code}.graph.column_sums",
        ),
        Box("softmax", 80, 19.5, 9, 8, "softmax\n$w$", "result", f"{code}.graph.importance"),
        Box(
            "gate",
            78,
            33,
            21,
            7,
            "gate before fusion\n" r"$\tilde h^m = w_m\, h^m$",
            "result",
            f"{code}.model",
        ),
        Box("condition", 78, 7, 21, 7, "condition of the U-Net\n(no gradient)", "result", f"{code}.unet1d"),
    ]


def width_of(adjacency: float | None) -> float:
    """An edge's width in points, linear in its weight in [0, 1]."""
    return THINNEST + (THICKEST - THINNEST) * (0.25 if adjacency is None else adjacency)


def _edge(axes: Axes, edge: str, kept: Kept | None) -> None:
    (x0, y0), (x1, y1) = (NODES[node] for node in edge)
    length = math.hypot(x1 - x0, y1 - y0)
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    shift = np.array([-uy, ux]) * APART
    start = np.array([x0, y0]) + (RADIUS + 0.3) * np.array([ux, uy]) + shift
    end = np.array([x1, y1]) - (RADIUS + 0.3) * np.array([ux, uy]) + shift
    value = kept.get(f"edge_{edge}") if kept else None
    style: dict[str, Any] = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 13}
    colour = MODALITY_COLOURS[_modality(edge[0])]
    axes.annotate(
        "",
        (end[0], end[1]),
        (start[0], start[1]),
        arrowprops=style | {"color": colour, "linewidth": width_of(value)},
    )
    if value is not None:
        share = {0: 0.65, 1: 0.35}.get(edge.find("t"), 0.5)
        x, y = start + share * (end - start) + np.array([-uy, ux]) * (2.6 if abs(uy) < 0.1 else 3.2)
        axes.text(x, y, f"{value:.2f}", ha="center", va="center", fontsize=8, color=colour)


def _node(axes: Axes, name: str, x: float, y: float, kept: Kept | None) -> None:
    from matplotlib.patches import Circle

    modality = _modality(name)
    axes.add_patch(
        Circle((x, y), RADIUS, facecolor="white", edgecolor=MODALITY_COLOURS[modality], linewidth=1.8)
    )
    axes.text(x, y, name.upper(), ha="center", va="center", fontsize=11)
    weight = kept.get(f"weight_{modality}") if kept else None
    if weight is not None:
        up = name == "t"
        away = 1.1 if up else -1.1
        text = rf"$w_{name.upper()}$ = {weight:.2f}"
        axes.text(
            x,
            y + (RADIUS if up else -RADIUS) + away,
            text,
            ha="center",
            va="bottom" if up else "top",
            fontsize=8.5,
        )


def _penalty(axes: Axes) -> None:
    text = r"$\mathcal{L}_{\mathrm{causal}} = h(A) = \mathrm{tr}(e^{A \circ A}) - 3$"
    axes.text(45, 1.4, text, ha="center", va="center", fontsize=8.5, color=GREY)


def _modality(letter: str) -> str:
    return next(name for name in MODALITIES if name.startswith(letter))


def _rows(kept: Kept | None, own: Course | None) -> Rows:
    names = [*(f"edge_{edge}" for edge in EDGES), *(f"weight_{name}" for name in MODALITIES), "h"]
    epoch = own.best if own else None
    return [{"number": name, "value": kept.get(name) if kept else None, "epoch": epoch} for name in names]
