"""Fig. 1: what a discriminative and a diffusion classifier make of one face, clean and noisy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from facetory.emodc.decisions import mean_errors
from facetory.faces.corrupt import corrupt
from facetory.faces.views import choose, read_face
from facetory.metrics.records import Records
from facetory.pipeline.files import FacetoryError
from facetory.report import drawing
from facetory.report.cells import CellTable
from facetory.report.drawing import PALETTE
from facetory.report.notes import footer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = ("discriminative", "diffusion")
PICTURES = ("clean", "noisy")
MARKS = {True: "✓ right", False: "✗ wrong"}
Rows = list[dict[str, Any]]


class Scored(NamedTuple):
    """A classifier's mean errors (n, K) float64 of samples in one kind of picture; the least one decides."""

    errors: np.ndarray
    labels: np.ndarray
    sample_ids: list[str]
    classes: list[str]


class Example(NamedTuple):
    """The sample shown, and how many of the ``compared`` samples have its pattern of decisions.

    ``found`` of them the discriminative classifier has right when clean and wrong when noisy, and the
    diffusion classifier right in both; ``reverse`` of them with the roles changed.  Without any of the
    former, the sample is simply the first.
    """

    sample_id: str
    found: int
    reverse: int
    compared: int


def scored(records: Records, timesteps: Sequence[int]) -> Scored:
    """What `fig1` needs of records: errors averaged over the timesteps."""
    return Scored(mean_errors(records, timesteps), records.labels, records.sample_ids, records.classes)


def example(decided: Mapping[tuple[str, str], Scored]) -> Example:
    """Choose the sample to show from the four (kind, picture), by sample id alone where several fit.

    Samples that only some of the four hold are left out; with none left it is a `FacetoryError`.
    """
    right = {key: dict(zip(own.sample_ids, _right(own), strict=True)) for key, own in decided.items()}
    shared = sorted(set.intersection(*(set(own) for own in right.values())))
    if not shared:
        raise FacetoryError(
            "Fig. 1: the evaluations have no sample in common. Evaluate both classifiers on the same split."
        )
    found, reverse = (
        [
            sample
            for sample in shared
            if [right[key][sample] for key in ((fails, "clean"), (fails, "noisy"))] == [True, False]
            and all(right[holds, picture][sample] for picture in PICTURES)
        ]
        for fails, holds in (KINDS, KINDS[::-1])
    )
    return Example((found or shared)[0], len(found), len(reverse), len(shared))


def face_of(ledger: Path | str, split: str, sample_id: str, corruption: str, noise_seed: int) -> np.ndarray:
    """An aligned face under a corruption, at the size at which it was aligned, uint8 (h, w, 3)."""
    chosen = choose(ledger, split, None, [corruption])
    if sample_id not in chosen.sample_ids:
        raise FacetoryError(f"{ledger}: split {split} has no face of sample {sample_id}. Align it again.")
    row = chosen.rows[chosen.sample_ids.index(sample_id)]
    return corrupt(read_face(chosen.folder, row), chosen.applied[0], sample_id, noise_seed)


def fig1(
    measured: CellTable,
    decided: Mapping[tuple[str, str], Scored | str],
    face: Callable[[str, str], np.ndarray],
) -> tuple[Figure, Rows]:
    """Two rows, the clean and the noisy face; beside each face a bar chart a classifier.

    ``decided`` maps ("discriminative" or "diffusion", "clean" or "noisy") to scores, or to the reason why
    there are none; ``face`` gives the picture of a (sample id, "clean" or "noisy").  ``measured`` names the
    classifiers (its rows) and the pictures (its columns).  Discriminative bars are probabilities, the highest
    of which decides; diffusion bars are errors above the least one, in percent of it: zero decides.
    """
    ready = {key: own for key, own in decided.items() if not isinstance(own, str)}
    chosen = example(ready) if len(ready) == len(KINDS) * len(PICTURES) else None
    figure = drawing.sheet(8.4, 5.6, f"{_rule(chosen)}{footer(measured)}")
    panels = figure.subplots(len(PICTURES), 3, width_ratios=(1, 1.35, 1.35))
    rows: Rows = []
    for line, picture, column in zip(panels, PICTURES, measured.columns, strict=True):
        if chosen:
            drawing.picture(line[0], face(chosen.sample_id, picture))
        else:
            drawing.not_run(line[0], "no sample to show")
            line[0].set_box_aspect(1)
        drawing.title(line[0], column)
        for axes, kind, name in zip(line[1:], KINDS, measured.rows, strict=True):
            own = decided[kind, picture]
            if chosen and not isinstance(own, str):
                rows += _panel(axes, own, chosen.sample_id, kind, name, column)
            else:
                reason = own if isinstance(own, str) else "needs both classifiers on both images"
                drawing.not_run(axes, reason)
                drawing.title(axes, name)
                rows.append(_row(kind, name, column) | {"not_run": reason})
    return figure, rows


def _panel(axes: Axes, own: Scored, sample_id: str, kind: str, name: str, column: str) -> Rows:
    at = own.sample_ids.index(sample_id)
    errors, truth = own.errors[at], own.classes[own.labels[at]]
    decision = own.classes[int(errors.argmin())]
    values = np.exp(-errors) if kind == "discriminative" else 100 * (errors / errors.min() - 1)
    colours = {truth: PALETTE["green"], decision: PALETTE["green" if decision == truth else "vermillion"]}
    places = range(len(own.classes))
    axes.barh(places, values, color=[colours.get(c, "#9A9A9A") for c in own.classes], height=0.72)
    for place, value, label in zip(places, values, own.classes, strict=True):
        notes = [f"{value:.2f}" if kind == "discriminative" else f"{value:.2f} %"]
        notes += ["decision"] if label == decision else []
        notes += ["true class"] if label == truth else []
        text = axes.annotate(", ".join(notes), (value, place), (3, 0), textcoords="offset points")
        text.set(fontsize=7, va="center", color=colours.get(label, "black"))
        text.set_fontweight("bold" if label == decision else "normal")
    axes.set_yticks(places, [label.replace("_", " ") for label in own.classes])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    if kind == "discriminative":
        axes.set_xlim(0, 1.75)
        axes.set_xticks([0, 0.5, 1])
        axes.set_xlabel("probability p(c|x): highest decides")
    else:
        axes.set_xlim(0, max(float(values.max()), 1e-9) * 1.6)
        axes.set_xlabel("error above the least (%): least decides")
    drawing.title(axes, f"{name}: {MARKS[decision == truth]}")
    drawn = zip(own.classes, values, errors, strict=True)
    about = _row(kind, name, column) | {"sample_id": sample_id, "true": truth, "decision": decision}
    return [about | {"class": c, "value": float(v), "error": float(e)} for c, v, e in drawn]


def _right(own: Scored) -> list[bool]:
    return (own.errors.argmin(axis=1) == own.labels).tolist()


def _row(kind: str, name: str, column: str) -> dict[str, Any]:
    sample = dict.fromkeys(("sample_id", "true", "decision", "class", "value", "error", "not_run"))
    return {"picture": column, "classifier": name, "kind": kind} | sample


def _rule(chosen: Example | None) -> str:
    """Which sample is shown, and what share of the samples is like it."""
    if not chosen:
        return ""
    pattern = "the first classifier has right when clean and wrong when noisy, the second right in both"
    counts = f"{chosen.found} of {chosen.compared} samples are so, {chosen.reverse} the other way round"
    if chosen.found:
        return f"Shown: the first sample by id that {pattern}; {counts}. "
    return f"Shown: the first sample by id; there is none that {pattern} ({counts}). "
