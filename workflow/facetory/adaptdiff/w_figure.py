"""Fig. 2: how strongly each method weighs the negative condition while it samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facetory.adaptdiff.figure_rows import Rows
from facetory.adaptdiff.guidance import weight
from facetory.adaptdiff.spec import Guidance
from facetory.report import drawing
from facetory.report.drawing import PALETTE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TIMESTEPS = 1000
COLOURS = {"none": PALETTE["blue"], "constant": PALETTE["vermillion"], "linear": PALETTE["orange"]}
"""Of the guidance schedules, in every figure, as in the paper: blue, red, yellow."""
SHOWN = {
    "IDiff-Face: w = 0": Guidance(schedule="none"),
    "NegFaceDiff: w = 0.5": Guidance(schedule="constant", w_max=0.5),
    "AdaptDiff: w = 1 − t/T": Guidance(schedule="linear", w_max=1.0),
}
NOTE = (
    "Sampling runs from left to right. A schedule, not a measurement: it needs no data. Over all T = 1000 "
    "timesteps AdaptDiff's w has the mean of NegFaceDiff's, to 0.001."
)


def fig2() -> tuple[Figure, Rows]:
    """w against the sampling timestep t, from T = 1000 down to 0 (AdaptDiff, Figure 2)."""
    figure = drawing.sheet(4.6, 2.9, NOTE)
    axes = figure.subplots()
    timesteps = range(TIMESTEPS, -1, -1)
    curves = {name: [weight(own, t, TIMESTEPS) for t in timesteps] for name, own in SHOWN.items()}
    for (name, own), curve in zip(SHOWN.items(), curves.values(), strict=True):
        axes.plot(timesteps, curve, color=COLOURS[own.schedule], label=name)
    axes.set_xlim(TIMESTEPS, 0)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("sampling timestep t")
    axes.set_ylabel("w")
    figure.legend(loc="outside upper center", ncols=3, fontsize=8, handlelength=1.4, columnspacing=1.2)
    return figure, [
        {"method": name, "timestep": t, "w": w}
        for name, curve in curves.items()
        for t, w in zip(timesteps, curve, strict=True)
    ]
