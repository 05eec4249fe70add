"""Counterfactuals of single segments: another label, and another modality, a row each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from facetory.affectdiff.bars import Rows, note
from facetory.affectdiff.counterfactual_estimates import Counterfactuals
from facetory.affectdiff.label_figure import answered, examples, moved_by_step, said_of, unanswered
from facetory.affectdiff.modality_figure import swaps_of
from facetory.report import drawing
from facetory.report.cells import CellTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 6
RULE = (
    "The segments that most labels flip. Left: what is said of each before, and of its latent resampled "
    "under each label (*: the class predicted). Middle: how far each time step of the latent moves. Right: "
    "what is said when one stream is another segment's."
)


def fig15(measured: CellTable, records: Sequence[Counterfactuals]) -> tuple[Figure, Rows]:
    """Up to six segments in full; without a diffusion prior the reason alone."""
    asked = answered(records)
    chosen = examples(asked[0], SHOWN) if asked else []
    figure = drawing.sheet(12.5, 2.7 * max(1, len(chosen)), note(measured, RULE, statistics=False))
    if not chosen:
        reason = unanswered(measured, records)
        drawing.not_run(figure.subplots(), reason, width=80)
        return figure, [{"part": "", "reason": reason}]
    one, rows = asked[0], list[dict[str, Any]]()
    classes = list(one.about["classes"])
    grid = figure.subplots(len(chosen), 3, squeeze=False, width_ratios=(1.3, 1, 1.2))
    for at, axes in zip(chosen, grid, strict=True):
        said, moved, swapped = axes
        predicted = classes[int(one.arrays["logits_source"][at].argmax())]
        drawing.title(said, f"{one.about['segment_ids'][at]}, predicted {predicted}")
        rows += said_of(said, one, at, classes)
        rows += moved_by_step(moved, one, at, classes)
        rows += swaps_of(swapped, one, at, classes)
        _shorten(swapped)
    columns = {key: None for row in rows for key in row}
    return figure, [columns | row for row in rows]


def _shorten(axes: Axes) -> None:
    """Whose stream it is stands in the CSV: here only which one is another's."""
    handles, labels = axes.get_legend_handles_labels()
    short = [f"another's {name.partition(' of ')[0]}" if " of " in name else name for name in labels]
    axes.legend(handles, short, loc="upper right", fontsize=7)
    axes.set_title("")
    axes.tick_params(axis="x", rotation=35)
