"""Counterfactuals by label: whether the emotion flips, how far z moves, and one segment in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from facetory.affectdiff.bars import Rows, note
from facetory.affectdiff.counterfactual_estimates import Counterfactuals, flip_matrix, log_softmax
from facetory.report import drawing
from facetory.report.cells import CellTable
from facetory.report.drawing import GREY, PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

RULE = (
    "z is inverted by DDIM under the predicted label and resampled under another; ‖Δz‖ is the distance to "
    "the same under the predicted label itself. Boxes: quartiles; whiskers: 5th to 95th percentile. Below, "
    "one segment: what is said of it before, and of its latent resampled under each label; *: the class "
    "predicted."
)


def fig13(measured: CellTable, records: Sequence[Counterfactuals]) -> tuple[Figure, Rows]:
    """Flip rates by predicted and target class, ‖Δz‖ by target, and the segment that flips most often."""
    asked = answered(records)
    figure = drawing.sheet(8.6, 6.0 if asked else 2.4, note(measured, RULE, statistics=False))
    if not asked:
        reason = unanswered(measured, records)
        drawing.not_run(figure.subplots(), reason, width=80)
        return figure, [{"part": "", "reason": reason}]
    classes = list(asked[0].about["classes"])
    above, below = figure.subfigures(2, 1, height_ratios=(1.15, 1))  # type: ignore[misc]
    flips, moved = above.subplots(1, 2)
    rows = [*_flips(flips, asked, classes), *_moved(moved, asked, classes)]
    return figure, [*rows, *_example(below, asked[0], classes)]


def examples(one: Counterfactuals, count: int = 1) -> list[int]:
    """The segments that most labels flip, the most flipped first, by their order in the records."""
    reached = one.arrays["logits_counterfactual"].argmax(2) == np.arange(len(one.about["classes"]))
    return np.argsort(-reached.sum(1), kind="stable")[:count].tolist()


def answered(records: Sequence[Counterfactuals]) -> list[Counterfactuals]:
    """The records of models that can be asked for another label."""
    return [one for one in records if one.about["questions"]["label"]["status"] == "answered"]


def unanswered(measured: CellTable, records: Sequence[Counterfactuals]) -> str:
    """Why no model could be asked."""
    told = [one.about["questions"]["label"].get("reason", "") for one in records]
    return next((reason for reason in (*told, *(c.reason for c in measured.cells)) if reason), "")


def _flips(axes: Axes, records: Sequence[Counterfactuals], classes: Sequence[str]) -> Rows:
    rate = flip_matrix(records)
    predicted = np.concatenate([one.arrays["logits_source"].argmax(1) for one in records])
    counts = np.bincount(predicted, minlength=len(classes))
    drawing.matrix(axes, 100 * rate, classes, counts.tolist())
    for i, j in np.argwhere(rate < 0.005).tolist():
        axes.text(j, i, "0", ha="center", va="center", fontsize=8, color=GREY)
    for i in np.flatnonzero(counts).tolist():
        axes.text(i, i, "–", ha="center", va="center", fontsize=8, color=GREY)
    axes.tick_params(axis="x", rotation=35)
    axes.set_xlabel("target label")
    axes.set_ylabel("predicted class (segments)")
    drawing.title(axes, "flips to the target (%)")
    return [
        _row("flip rate", source=a, target=b, value=_number(rate[i, j]), n=int(counts[i]))
        for i, a in enumerate(classes)
        for j, b in enumerate(classes)
        if i != j
    ]


def _moved(axes: Axes, records: Sequence[Counterfactuals], classes: Sequence[str]) -> Rows:
    predicted = np.concatenate([one.arrays["logits_source"].argmax(1) for one in records])
    distance = np.concatenate([one.arrays["delta_norm"] for one in records])
    groups = [distance[predicted != j, j] for j in range(len(classes))]
    axes.boxplot(
        groups,
        positions=range(len(classes)),
        widths=0.6,
        whis=(5, 95),
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": "#CFE3F2", "edgecolor": GREY},
        medianprops={"color": PALETTE["vermillion"]},
        whiskerprops={"color": GREY},
        capprops={"color": GREY},
    )
    axes.set_xticks(range(len(classes)), classes, rotation=35)
    axes.set_ylim(bottom=0)
    axes.grid(False, axis="x")
    axes.set_xlabel("target label")
    axes.set_ylabel("‖Δz‖ (L2)")
    drawing.title(axes, "how far the latent moves")
    return [
        _row("delta norm", target=name, value=_number(np.median(own)) if len(own) else None, n=len(own))
        for name, own in zip(classes, groups, strict=True)
    ]


def _example(part: SubFigure, one: Counterfactuals, classes: Sequence[str]) -> Rows:
    (at,) = examples(one)
    predicted = int(one.arrays["logits_source"][at].argmax())
    part.suptitle(f"Segment {one.about['segment_ids'][at]}, predicted {classes[predicted]}", fontsize=9)
    odds, steps = part.subplots(1, 2)
    return [*said_of(odds, one, at, classes), *moved_by_step(steps, one, at, classes)]


def said_of(axes: Axes, one: Counterfactuals, at: int, classes: Sequence[str]) -> Rows:
    """The probabilities of one segment, before and with its latent resampled under each label."""
    before = np.exp(log_softmax(one.arrays["logits_source"][at]))
    shown = np.vstack([before, np.exp(log_softmax(one.arrays["logits_counterfactual"][at]))])
    names = ["before", *(f"under {name}" for name in classes)]
    axes.imshow(shown, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (i, j), value in np.ndenumerate(shown):
        star = "*" if j == shown[i].argmax() else ""
        colour = "white" if value > 0.55 else "black"
        axes.text(j, i, f"{value:.2f}{star}", ha="center", va="center", fontsize=7.5, color=colour)
    axes.set_xticks(range(len(classes)), classes, rotation=35)
    axes.set_yticks(range(len(names)), names)
    axes.axhline(0.5, color=GREY, linewidth=1.5)
    axes.grid(False)
    axes.set_xlabel("probability of")
    segment = one.about["segment_ids"][at]
    return [
        _row(f"probability, {given}", segment=segment, target=name, value=float(shown[i, j]), n=1)
        for i, given in enumerate(names)
        for j, name in enumerate(classes)
    ]


def moved_by_step(axes: Axes, one: Counterfactuals, at: int, classes: Sequence[str]) -> Rows:
    """How far each time step of one segment's latent moves towards each other label."""
    moved = one.arrays["delta_by_position"][at].astype(float)
    predicted = int(one.arrays["logits_source"][at].argmax())
    position = np.arange(1, _length(moved) + 1)
    others = [(j, name) for j, name in enumerate(classes) if j != predicted]
    for j, name in others:
        colour = [*PALETTE.values()][j % len(PALETTE)]
        axes.plot(position, moved[j, : len(position)], color=colour, linewidth=1.1, label=f"under {name}")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("time step")
    axes.set_ylabel("‖Δz‖ at the step (L2)")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=7.5)
    segment = one.about["segment_ids"][at]
    return [
        _row(f"delta norm at step {t}", segment=segment, target=name, value=float(moved[j, t - 1]), n=1)
        for j, name in others
        for t in position.tolist()
    ]


def _length(moved: np.ndarray) -> int:
    """Positions up to the last one at which anything moves: padding behind it does not."""
    touched = np.flatnonzero(moved.any(0))
    return int(touched[-1]) + 1 if len(touched) else moved.shape[1]


def _row(part: str, **content: Any) -> dict[str, Any]:
    return {"part": part, "segment": None, "source": None, "target": None, "value": None, "n": None} | content


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
