"""Why CoDiT's λ₁ must be small: d_p and d_n during training with small and large λ₁ (Section III-B1)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.pipeline.files import FacetoryError, read_json
from facetory.report import drawing
from facetory.report.drawing import GREY, PALETTE
from facetory.report.labels import as_mathtext

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = tuple(PALETTE[name] for name in ("blue", "green", "vermillion", "purple", "orange"))
CURVES = {"d_p": "-", "d_n": "--"}
Rows = list[dict[str, Any]]


def draw_instability(
    runs: Mapping[str, Path | str], footer: str = "", reason: str = ""
) -> tuple[Figure, Rows]:
    """Errors under the positive and the negative prompt (log axis), and d_n − d_p, against training steps.

    ``runs`` maps labels to runs' progress.jsonl, whose manifest.json lies beside it: a run that failed ends
    with a cross.  Without runs the panels say ``reason``.  The rows are what is drawn.
    """
    figure = drawing.sheet(9.2, 3.6, footer)
    errors, gap = figure.subplots(1, 2)
    rows = [row for label, path in runs.items() for row in curve(label, path)]
    if not rows:
        for axes in (errors, gap):
            drawing.not_run(axes, reason, width=50)
        return figure, [{"run": "", "status": "not_run", "reason": reason}]
    for label, colour in zip(runs, COLOURS, strict=False):
        own = [row for row in rows if row["run"] == label]
        steps = [row["step"] for row in own]
        for name, line in CURVES.items():
            errors.plot(steps, [row[name] for row in own], line, color=colour)
        gap.plot(steps, [row["gap"] for row in own], color=colour, label=as_mathtext(label))
        if own and own[-1]["status"] == "failed":
            for axes, names in ((errors, CURVES), (gap, ("gap",))):
                for name in names:
                    axes.plot(steps[-1], own[-1][name], "x", color=colour, markeredgewidth=1.8)
    errors.axhline(1, color=GREY, linestyle=":", linewidth=0.9)
    at = {"transform": errors.get_yaxis_transform(), "ha": "right", "va": "bottom"}
    errors.text(0.99, 1.02, "error of predicting no noise", color=GREY, fontsize=7.5, **at)
    errors.set_yscale("log")
    gap.set_yscale("symlog", linthresh=1e-3)
    for axes, name in ((errors, "d_p solid, d_n dashed"), (gap, "d_n − d_p")):
        drawing.title(axes, name)
        axes.set_xlabel("training step")
    errors.set_ylabel("noise-prediction error")
    if any(row["status"] == "failed" for row in rows):
        gap.plot([], [], "x", color=GREY, markeredgewidth=1.8, label="stopped: it diverged")
    gap.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure, rows


def curve(label: str, path: Path | str) -> Rows:
    """A run's d_p, d_n and their gap by step, with the run's status; a run of one prompt is refused."""
    about = read_json(Path(path).with_name("manifest.json"))
    try:
        lines = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError as error:
        raise FacetoryError(f"{path}: the run's progress is missing. Train the run again.") from error
    if any(line.keys() >= {"d_p"} and "d_n" not in line for line in lines):
        raise FacetoryError(f"{path}: the run has no negative prompt, so there is no d_n. Draw a CoDiT run.")
    return [
        {"run": label, "step": line["step"]}
        | {name: line[name] for name in CURVES}
        | {"gap": line["d_n"] - line["d_p"], "status": about["status"], "reason": about.get("reason", "")}
        for line in lines
        if line.keys() >= CURVES.keys()
    ]
