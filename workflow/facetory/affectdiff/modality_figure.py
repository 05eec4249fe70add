"""Counterfactuals by modality: what if the tone had been different, and what each modality contributed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from facetory.affectdiff.bars import Rows, note
from facetory.affectdiff.counterfactual_estimates import Counterfactuals, log_softmax
from facetory.affectdiff.course_figure import MODALITY_COLOURS
from facetory.data.mosei.spec import MODALITIES
from facetory.report import drawing
from facetory.report.cells import CellTable
from facetory.report.drawing import GREY
from facetory.report.labels import plain_mathtext

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 0.26
RULE = (
    "One stream is swapped for that of a segment whose predicted emotion differs; the change is the total "
    "variation between the predicted distributions before and after, with the standard error of its mean. "
    "Right: Shapley values of the predicted class's log-odds, with the same."
)


def fig14(measured: CellTable, records: Sequence[Counterfactuals]) -> tuple[Figure, Rows]:
    """Above: change by a swap and contribution, by predicted class; below: the segment that changes most."""
    figure = drawing.sheet(9.2, 5.6 if records else 2.4, note(measured, RULE, statistics=False))
    if not records:
        reason = next((cell.reason for cell in measured.cells if cell.reason), "")
        drawing.not_run(figure.subplots(), reason, width=80)
        return figure, [{"part": "", "reason": reason}]
    classes = list(records[0].about["classes"])
    predicted = np.concatenate([one.arrays["logits_source"].argmax(1) for one in records])
    changed = np.concatenate([change(one) for one in records])
    given = np.concatenate([one.arrays["attribution"] for one in records]).astype(float)
    parts: Any = figure.subplot_mosaic([["swap", "attribution"], ["example", "example"]])
    swap, attribution, one = (parts[name] for name in ("swap", "attribution", "example"))
    rows = _grouped(swap, "change of the prediction", changed, predicted, classes)
    swap.set_ylim(bottom=0)
    swap.set_ylabel("total variation when swapped")
    rows += _grouped(attribution, "contribution", given, predicted, classes)
    attribution.axhline(0, color="black", linewidth=0.8)
    attribution.set_ylabel("Shapley value (nats)")
    figure.legend(*swap.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure, [*rows, *_example(one, records[0], classes)]


def change(one: Counterfactuals) -> np.ndarray:
    """Total variation ½Σ|p' − p| by a swap of each modality, (n, 3), in [0, 1]; NaN without a donor."""
    before, after = (np.exp(log_softmax(one.arrays[name])) for name in ("logits_source", "swap_logits"))
    return np.abs(after - before[:, None]).sum(2) / 2


def _grouped(
    axes: Axes, part: str, values: np.ndarray, predicted: np.ndarray, classes: Sequence[str]
) -> Rows:
    """Bars of the mean over all segments and over those of each predicted class, by modality."""
    groups = {"all": np.ones(len(predicted), bool)}
    groups |= {name: predicted == i for i, name in enumerate(classes)}
    rows = []
    for i, name in enumerate(MODALITIES):
        for place, (group, chosen) in enumerate(groups.items()):
            own = values[chosen, i]
            own = own[np.isfinite(own)]
            at = place + (i - 1) * WIDTH
            mean = float(own.mean()) if len(own) else None
            error = float(own.std(ddof=1) / len(own) ** 0.5) if len(own) > 1 else None
            if mean is not None:
                label = name if place == 0 else None
                axes.bar(at, mean, 0.9 * WIDTH, color=MODALITY_COLOURS[name], label=label)
            if mean is not None and error is not None:
                axes.plot([at, at], [mean - error, mean + error], color="black", linewidth=0.9)
            rows.append(_row(part, modality=name, group=group, value=mean, error=error, n=len(own)))
    counts = [int(chosen.sum()) for chosen in groups.values()]
    axes.set_xticks(range(len(groups)), [f"{name}\n{n}" for name, n in zip(groups, counts, strict=True)])
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.tick_params(axis="x", labelsize=7)
    axes.axvline(0.5, color=GREY, linewidth=0.8)
    axes.grid(False, axis="x")
    axes.set_xlabel("predicted class, segments")
    return rows


def _example(axes: Axes, one: Counterfactuals, classes: Sequence[str]) -> Rows:
    """What is said of the segment that a swap changes most, before and after each swap."""
    return swaps_of(axes, one, int(np.nan_to_num(change(one)).max(1).argmax()), classes)


def swaps_of(axes: Axes, one: Counterfactuals, at: int, classes: Sequence[str]) -> Rows:
    """The probabilities of one segment, as it is and with each stream of its donor."""
    before = np.exp(log_softmax(one.arrays["logits_source"][at]))
    after = np.exp(log_softmax(one.arrays["swap_logits"][at]))
    segment, givers = one.about["segment_ids"][at], one.about["donors"][at]
    bars = [("as it is", before, "#999999", None)]
    bars += [
        (f"{name} of {giver}", own, MODALITY_COLOURS[name], giver)
        for name, own, giver in zip(MODALITIES, after, givers, strict=True)
        if giver is not None
    ]
    for i, (label, values, colour, _) in enumerate(bars):
        x = np.arange(len(classes)) + (i - (len(bars) - 1) / 2) * 0.2
        axes.bar(x, values, 0.18, color=colour, label=label)
    axes.set_xticks(range(len(classes)), classes)
    axes.set_ylim(0, 1)
    axes.grid(False, axis="x")
    axes.set_xlabel("class")
    axes.set_ylabel("probability")
    title = f"Segment {segment}, predicted {classes[int(before.argmax())]}"
    axes.set_title(plain_mathtext(title), fontsize=9, pad=20)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(bars), fontsize=7.5)
    return [
        _row(label, modality=None, group=name, value=float(values[j]), error=None, n=1, segment=segment)
        for label, values, _, _ in bars
        for j, name in enumerate(classes)
    ]


def _row(part: str, **content: Any) -> dict[str, Any]:
    return {"part": part} | content | {"segment": content.get("segment")}
