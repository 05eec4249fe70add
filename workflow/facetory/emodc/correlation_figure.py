"""Fig. 4: errors under the positive prompt against those under the null, non-class and negative prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from facetory.emodc.correlations import OTHERS, correlation, errors_under, pooled, slope
from facetory.metrics.bootstrap import Estimate
from facetory.metrics.records import Records
from facetory.report import drawing
from facetory.report.cells import CellTable
from facetory.report.drawing import PALETTE
from facetory.report.labels import as_mathtext
from facetory.report.notes import footer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AXES = {
    "null": "null prompt ∅",
    "non_class": "non-class prompt c_nc",
    "negative": "negatives c_n (mean)",
}
COLOURS = {"Base": PALETTE["blue"]}
Rows = list[dict[str, Any]]


def fig4(
    measured: CellTable, evaluations: Mapping[str, Sequence[Records] | str], timesteps: Sequence[int]
) -> tuple[Figure, Rows]:
    """A row of three panels a model: d under the positive prompt (x) against d under the others (y).

    ``evaluations`` maps each model to its records, one a seed, or to the reason why there are none.  The red
    line has slope 1; slope and r stand in each panel.
    """
    ran = {name: found for name, found in evaluations.items() if not isinstance(found, str)}
    note = (
        "d: noise-prediction error, mean over the timesteps. Red line: equal errors. Slope of the "
        "least-squares line with intercept; r: Pearson's."
    )
    figure = drawing.sheet(8.4, 2.9 * len(evaluations), f"{note} {footer(measured)}")
    panels = figure.subplots(len(evaluations), len(OTHERS), squeeze=False)
    limits = _limits(ran, timesteps) if ran else (0.0, 1.0)
    rows: Rows = []
    for line, (name, found) in zip(panels, evaluations.items(), strict=True):
        for axes, prompt, letter in zip(line, OTHERS, "abc", strict=True):
            if isinstance(found, str):
                drawing.not_run(axes, found)
            else:
                _panel(axes, found, timesteps, prompt, COLOURS.get(name, PALETTE["green"]), limits)
                axes.set_ylabel(as_mathtext(f"d under the {AXES[prompt]}"))
            axes.set_box_aspect(1)
            drawing.title(axes, f"({letter}) {name}")
        rows += _rows(name, found, timesteps)
    return figure, rows


def _panel(
    axes: Axes,
    evaluations: Sequence[Records],
    timesteps: Sequence[int],
    prompt: str,
    colour: str,
    limits: tuple[float, float],
) -> None:
    x, y = (pooled(evaluations, timesteps, name) for name in ("positive", prompt))
    axes.plot(x, y, linestyle="none", marker="o", markersize=3, color=colour, alpha=0.45, markeredgewidth=0)
    axes.plot(limits, limits, color=PALETTE["vermillion"], linewidth=1)
    axes.locator_params("x", nbins=4)
    axes.set_xlim(limits)
    axes.set_ylim(limits)
    axes.set_xlabel(as_mathtext("d under the positive prompt c_p"))
    lines = [
        _interval("slope", slope(evaluations, timesteps, prompt), 3),
        _interval("r", correlation(evaluations, timesteps, prompt), 4),
        f"n = {len(x)}; {100 * np.mean(y > x):.0f} % above the line",
    ]
    box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5}
    axes.text(0.04, 0.97, "\n".join(lines), transform=axes.transAxes, va="top", fontsize=7, bbox=box)


def _interval(name: str, estimate: Estimate, digits: int) -> str:
    value, low, high, _ = estimate
    interval = "" if np.isnan(low) else f" [{low:.{digits}f}, {high:.{digits}f}]"
    return f"{name} = {value:.{digits}f}{interval}"


def _limits(ran: Mapping[str, Sequence[Records]], timesteps: Sequence[int]) -> tuple[float, float]:
    """One range for all panels and both axes, with room for the numbers above the points."""
    values = np.concatenate(
        [pooled(found, timesteps, prompt) for found in ran.values() for prompt in ("positive", *OTHERS)]
    )
    low, high = float(values.min()), float(values.max())
    room = 0.05 * (high - low) or 0.05
    return low - room, high + room


def _rows(name: str, found: Sequence[Records] | str, timesteps: Sequence[int]) -> Rows:
    """What is drawn: a row a sample and seed."""
    about = {"model": name, "seed": None, "sample_id": None, "label": None}
    nothing = dict.fromkeys(("positive", *OTHERS))
    if isinstance(found, str):
        return [about | nothing | {"not_run": found}]
    rows = []
    for records in found:
        seed = (records.spec.get("train") or {}).get("seed")
        errors = {prompt: errors_under(records, timesteps, prompt) for prompt in nothing}
        for i, sample_id in enumerate(records.sample_ids):
            drawn = {"seed": seed, "sample_id": sample_id, "label": records.classes[records.labels[i]]}
            own = {prompt: float(values[i]) for prompt, values in errors.items()}
            rows.append(about | drawn | own | {"not_run": None})
    return rows
