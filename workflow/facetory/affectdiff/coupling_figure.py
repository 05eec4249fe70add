"""Does the diffusion prior change the classifier?  Training with and without it, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from facetory.affectdiff.bars import Rows, note, whole_epochs
from facetory.affectdiff.course import Course
from facetory.affectdiff.spec import ModelSpec
from facetory.report import drawing
from facetory.report.cells import CellTable
from facetory.report.drawing import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COMPARED = ("balanced_accuracy", "accuracy", "loss")
SETTINGS = {
    (False, False): ("vermillion", "o", "-"),
    (False, True): ("orange", "s", "--"),
    (True, False): ("purple", "^", "-."),
    (True, True): ("blue", "D", ":"),
}
"""(clip groups apart, random streams apart) and how each is drawn."""
RULE = (
    "Right: the absolute difference in validation balanced accuracy between a training with the prior and "
    "the one without it, of the same seed; a curve at 0 is exactly 0. Identical: validation balanced "
    "accuracy, accuracy and loss are the same to the last bit at every epoch."
)
UNCLIPPED = "Identical in spite of shared clipping: in no step did the joint gradient reach the limit."


class Pair(NamedTuple):
    """A training with the prior and its counterpart without, and what is apart between them."""

    apart: tuple[bool, bool]
    with_prior: Course
    without: Course


def pairs(courses: Sequence[Course]) -> list[Pair]:
    """Each course with a prior beside the one without that shares its seed, and if possible its settings.

    Without a prior there is nothing to keep apart, so that one such course may serve all settings.
    """
    plain = [own for own in courses if not _has_prior(own)]
    found = []
    for own in (own for own in courses if _has_prior(own)):
        others = [other for other in plain if other.spec.seed == own.spec.seed]
        others.sort(key=lambda other: _apart(other) != _apart(own))
        if others:
            found.append(Pair(_apart(own), own, others[0]))
    return sorted(found, key=lambda pair: (pair.apart, pair.with_prior.spec.seed))


def differences(pair: Pair) -> tuple[np.ndarray, np.ndarray, bool]:
    """(epochs (m,), |difference of validation balanced accuracy| (m,), whether both are identical)."""
    with_prior, without = pair.with_prior, pair.without
    shared = min(len(with_prior.validated), len(without.validated))
    numbers = [np.abs(with_prior.validation[n][:shared] - without.validation[n][:shared]) for n in COMPARED]
    same = len(with_prior.validated) == len(without.validated) and not np.any(numbers)
    return with_prior.validated[:shared], numbers[0], same


def coupling(measured: CellTable, courses: Sequence[Course]) -> tuple[Figure, Rows]:
    """Left: the validation curves, thin black without the prior; right: their differences."""
    found = pairs(courses)
    unclipped = any(differences(pair)[2] for pair in found if not pair.apart[0])
    rule = f"{RULE} {UNCLIPPED}" if unclipped else RULE
    figure = drawing.sheet(8.6, 3.7, note(measured, rule, statistics=False))
    if not found:
        axes = figure.subplots()
        reason = next((cell.reason for cell in measured.cells if cell.reason), "no pair of trainings ran")
        drawing.not_run(axes, reason, width=70)
        return figure, [{"reason": reason}]
    left, right = figure.subplots(1, 2)
    rows: Rows = []
    for number, pair in enumerate(found):
        rows += _drawn(left, right, pair, number)
    for number, own in enumerate({id(pair.without): pair.without for pair in found}.values()):
        label = "without the prior" if number == 0 else None
        left.plot(
            own.validated, own.validation["balanced_accuracy"], color="black", linewidth=0.9, label=label
        )
    _symlog(right, [row["difference"] for row in rows])
    left.set_ylabel("balanced accuracy, validation")
    right.set_ylabel("|difference| to no prior")
    for axes in (left, right):
        whole_epochs(axes)
        axes.set_xlim(left=0)
    handles = [*right.get_legend_handles_labels()[0], *left.get_legend_handles_labels()[0][-1:]]
    figure.legend(handles=handles, loc="outside upper center", ncols=2, fontsize=8)
    return figure, rows


def _drawn(left: Axes, right: Axes, pair: Pair, number: int) -> Rows:
    colour, marker, dashes = SETTINGS[pair.apart]
    epochs, difference, same = differences(pair)
    style: dict[str, Any] = {"color": PALETTE[colour], "linestyle": dashes, "linewidth": 1.4}
    with_prior = pair.with_prior.validation["balanced_accuracy"]
    left.plot(pair.with_prior.validated, with_prior, **style)
    every = max(len(epochs) // 8, 1)
    marks: dict[str, Any] = {
        "marker": marker,
        "markevery": (number % every, every),
        "markeredgecolor": "white",
    }
    label = f"{named(pair)}: {'identical' if same else f'up to {difference.max():.2g} apart'}"
    right.plot(epochs, difference, **style, **marks, label=label, clip_on=False)
    return [
        {
            "clip_apart": pair.apart[0],
            "streams_apart": pair.apart[1],
            "seed": pair.with_prior.spec.seed,
            "epoch": float(epoch),
            "with_prior": float(pair.with_prior.validation["balanced_accuracy"][i]),
            "without_prior": float(pair.without.validation["balanced_accuracy"][i]),
            "difference": float(difference[i]),
            "identical": same,
        }
        for i, epoch in enumerate(epochs)
    ]


def named(pair: Pair) -> str:
    """The setting in words."""
    clip, streams = ("apart" if own else "shared" for own in pair.apart)
    return f"clipping {clip}, random streams {streams}"


def _symlog(axes: Axes, values: Sequence[float]) -> None:
    """A log axis that reaches down to exact zeros; a linear one where nothing differs."""
    above = [value for value in values if value > 0]
    if not above:
        axes.set_ylim(-0.001, 0.01)
        return
    least = 10 ** np.floor(np.log10(min(above)))
    axes.set_yscale("symlog", linthresh=least, linscale=0.6)
    axes.set_ylim(-0.12 * least, 2 * max(above))
    powers = [p for p in range(round(np.log10(least)), 1) if 10.0**p <= 2 * max(above)]
    axes.set_yticks([0, *(10.0**p for p in powers)], ["0", *(f"$10^{{{p}}}$" for p in powers)])
    axes.minorticks_off()


def _apart(own: Course) -> tuple[bool, bool]:
    return own.spec.clip_apart, own.spec.streams_apart


def _has_prior(own: Course) -> bool:
    return isinstance(own.spec.model, ModelSpec) and own.spec.model.prior_width > 0
