"""Fig. 8: the particles of a real edit, their parents and scores (after Singhal et al. 2025)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from facetory.report import drawing
from facetory.report.cells import CellTable
from facetory.report.drawing import GREY, PALETTE
from facetory.report.notes import footer
from facetory.smc.genealogy import Trace, heights, lineage, living

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

COLOURS = "viridis"
DEAD = "#C4C4C4"
NODES = (3.0, 26.0)
"""Areas in points² of particles that score 0 and 1."""
RULE = (
    "The first face of each edit. A node is a particle when it is scored, coloured and sized by the guide's "
    "probability of the target; lines lead to its children. Grey: without descendants at the end; the thick "
    "line is the lineage of the particle that is returned. Particles stand in the order of their parents."
)
Rows = list[dict[str, Any]]


def fig8(measured: CellTable, traces: Mapping[str, Trace | str]) -> tuple[Figure, Rows]:
    """For each sampler (row) its pictures, its genealogy, and its effective sample size and ancestors.

    ``traces`` maps the table's rows to a trace, or to the reason why there is none.
    """
    tall = [1.4 if isinstance(trace, str) else 4.9 for trace in traces.values()]
    figure = drawing.sheet(9.2, sum(tall), f"{RULE} {footer(measured, statistics=False)}")
    parts: Any = figure.subfigures(len(traces), 1, squeeze=False, height_ratios=tall)
    rows: Rows = []
    for part, (sampler, trace) in zip(parts[:, 0], traces.items(), strict=True):
        if isinstance(trace, str):
            axes = part.subplots()
            drawing.not_run(axes, trace, width=80)
            drawing.title(axes, sampler)
            rows.append(_row(sampler) | {"reason": trace})
        else:
            _drawn(part, sampler, trace)
            rows += _nodes(sampler, trace)
    return figure, rows


def _drawn(part: SubFigure, sampler: str, trace: Trace) -> None:
    from matplotlib.ticker import MaxNLocator

    halves: Any = part.subfigures(2, 1, height_ratios=(1.9, 3))
    above, below = halves
    above.suptitle(f"{sampler}, towards {trace.target.replace('_', ' ')}", fontsize=10)
    _pictures(above, trace)
    tree, counts = below.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _tree(tree, trace)
    end = len(trace.scores)
    at = np.arange(1, end + 1)
    counts.plot(at, trace.ess, color=PALETTE["blue"], label="effective sample size")
    counts.step(
        at, trace.unique_roots, where="mid", color=PALETTE["vermillion"], label="ancestors of the start alive"
    )
    particles = trace.scores.shape[1]
    counts.set_ylim(0, 1.6 * particles)
    counts.set_yticks([0, particles])
    counts.legend(loc="upper right", ncols=2, fontsize=7.5, borderaxespad=0.1)
    counts.set_xlabel("scoring")
    counts.set_xlim(0.3, end + 1.7)
    ticks = [
        int(at)
        for at in MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]).tick_values(1, end)
        if 1 <= at <= 0.93 * end
    ]
    counts.set_xticks([*ticks, end + 1], [*map(str, ticks), "end"])


def _tree(axes: Axes, trace: Trace) -> None:
    from matplotlib.collections import LineCollection

    alive, y, path = living(trace.ancestors), heights(trace.ancestors), lineage(trace.ancestors, trace.chosen)
    scores = np.concatenate([trace.scores, trace.final_scores[None]])
    for kept, colour, width in ((False, DEAD, 0.6), (True, PALETTE["sky"], 1.0)):
        lines = [
            [(s + 1, y[s, parent]), (s + 2, y[s + 1, child])]
            for s, parents in enumerate(trace.ancestors)
            for child, parent in enumerate(parents)
            if alive[s + 1, child] == kept
        ]
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=width, zorder=1 + kept))
    steps = np.arange(len(scores))
    axes.plot(steps + 1, y[steps, path], color=PALETTE["vermillion"], linewidth=2, zorder=3)
    small, large = NODES
    areas = small + (large - small) * scores
    s, j = np.nonzero(~alive)
    axes.scatter(s + 1, y[s, j], s=areas[s, j], color=DEAD, zorder=4, linewidths=0)
    s, j = np.nonzero(alive)
    nodes = axes.scatter(
        s + 1, y[s, j], s=areas[s, j], c=scores[s, j], cmap=COLOURS, vmin=0, vmax=1, zorder=5, linewidths=0
    )
    axes.set_ylabel("particle")
    axes.set_yticks([])
    axes.grid(False)
    axes.figure.colorbar(nodes, ax=axes, label="guide's score", pad=0.01, aspect=14)


def _pictures(part: SubFigure, trace: Trace) -> None:
    """Above, the lineage of the particle returned; below, the one that scores least at the same scoring."""
    kept = lineage(trace.ancestors, trace.chosen)
    count = len(trace.snapshots)
    panels = part.subplots(2, count + 2, squeeze=False)
    for axes in panels[:, [0, -1]].flat:
        axes.set_axis_off()
    for axes, image, name in ((panels[0][0], trace.source, "source"), (panels[0][-1], trace.edited, "edit")):
        axes.set_axis_on()
        drawing.picture(axes, image.transpose(1, 2, 0))
        axes.set_title(name, fontsize=8)
    for g, scoring in enumerate(trace.snapshot_scorings):
        scores = trace.scores[scoring]
        for axes, particle in zip(panels[:, g + 1], (kept[scoring], int(scores.argmin())), strict=True):
            drawing.picture(axes, trace.snapshots[g, particle].transpose(1, 2, 0))
            axes.set_xlabel(f"{scores[particle]:.2f}", fontsize=7.5, labelpad=1)
        panels[0][g + 1].set_title(f"scoring {scoring + 1}", fontsize=8)
    if count:
        panels[0][1].set_ylabel("kept", fontsize=7.5, color=GREY)
        panels[1][1].set_ylabel("worst", fontsize=7.5, color=GREY)


def _nodes(sampler: str, trace: Trace) -> Rows:
    """A line a particle and scoring; the last scoring + 1 is the end."""
    alive, path = living(trace.ancestors), lineage(trace.ancestors, trace.chosen)
    end = len(trace.scores)
    return [
        _row(sampler, s + 1, j)
        | {
            "score": round(float(trace.scores[s, j] if s < end else trace.final_scores[j]), 6),
            "parent": int(trace.ancestors[s - 1, j]) if s else None,
            "descendants": bool(alive[s, j]),
            "lineage_of_the_edit": bool(path[s] == j),
            "ess": round(float(trace.ess[s]), 4) if s < end else None,
            "unique_roots": int(trace.unique_roots[s]) if s < end else None,
        }
        for s, j in np.ndindex(alive.shape)
    ]


def _row(sampler: str, scoring: int | None = None, particle: int | None = None) -> dict[str, Any]:
    numbers = ("score", "parent", "descendants", "lineage_of_the_edit", "ess", "unique_roots", "reason")
    return {"sampler": sampler, "scoring": scoring, "particle": particle} | dict.fromkeys(numbers)
