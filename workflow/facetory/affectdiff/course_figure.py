"""Figs. 6, 7 and 8: the full model's modality weights, losses and curriculum over epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from facetory.affectdiff.bars import Rows, note, whole_epochs
from facetory.affectdiff.course import Course, column_sum_shares
from facetory.affectdiff.curriculum import curriculum
from facetory.data.mosei.spec import MODALITIES
from facetory.report import drawing
from facetory.report.cells import CellTable
from facetory.report.drawing import GREY, PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MODALITY_COLOURS = {"text": PALETTE["blue"], "audio": PALETTE["orange"], "video": PALETTE["green"]}
LOSSES = {
    "task": (r"task $\mathcal{L}_{\mathrm{task}}$", PALETTE["black"], "-"),
    "diffusion": (r"diffusion $\mathcal{L}_{\mathrm{diff}}$", PALETTE["blue"], "--"),
    "kl": (r"KL $\mathcal{L}_{\mathrm{KL}}$", PALETTE["vermillion"], "-."),
    "causal": (r"causal $\mathcal{L}_{\mathrm{causal}}$", PALETTE["green"], (0, (1, 1))),
    "reconstruction": (
        r"reconstruction $\mathcal{L}_{\mathrm{recon}}$",
        PALETTE["purple"],
        (0, (5, 1, 1, 1)),
    ),
}
RAMPS = {
    "diffusion": (r"$\gamma_{\mathrm{diff}}$", PALETTE["blue"], "--"),
    "kl": (r"$\gamma_{\mathrm{KL}}$", PALETTE["vermillion"], "-"),
}
DOTS = {"diffusion": 5.5, "kl": 2.8}
INDEX = {"diffusion": 0, "kl": 1}
"""Where `curriculum` has each weight."""
WEIGHTS = (
    "Thick: the mean of the softmax weights over the validation split; thin: each modality's share of the "
    "mean adjacency's column sums, before the softmax. A softmax weight cannot pass 0.79. Dotted: 1/3. "
    "Hollow: as published of the end."
)
MASKED = (
    "Unweighted losses; what is zero or below has no place on the log axis. Dotted: the diffusion's warm-up "
    "begins and ends. Hollow: as published of the end."
)
SCHEDULE = "Lines: the schedule; dots: what the run logged."
Kind = Literal["paper", "code", "none"]


def fig6(measured: CellTable, own: Course | None) -> tuple[Figure, Rows]:
    """The weights w of text, audio and video on the validation split."""
    figure, axes = _sheet(measured, WEIGHTS)
    if own is None:
        return figure, _lost(axes, measured)
    shares = column_sum_shares(own.validation)
    rows: Rows = []
    for i, name in enumerate(MODALITIES):
        colour, weight = MODALITY_COLOURS[name], own.validation[f"weight_{name}"]
        label = rf"$w_{name[0].upper()}$ {name}"
        axes.plot(own.validated, weight, color=colour, linewidth=2.2, label=label)
        axes.plot(own.validated, shares[:, i], color=colour, linewidth=0.8, linestyle="--")
        _published(axes, measured, name, own.validated[-1], colour)
        drawn = zip(own.validated, weight, shares[:, i], strict=True)
        rows += [
            {"modality": name, "epoch": float(e), "weight": float(w), "column_sum_share": _number(s)}
            for e, w, s in drawn
        ]
    axes.axhline(1 / len(MODALITIES), color=GREY, linestyle=":", linewidth=1)
    _finish(figure, axes, "modality weight")
    return figure, rows


def fig7(measured: CellTable, own: Course | None) -> tuple[Figure, Rows]:
    """The loss terms; dotted lines where the diffusion's warm-up begins and ends."""
    figure, axes = _sheet(measured, MASKED)
    if own is None:
        return figure, _lost(axes, measured)
    rows: Rows = []
    for name, (label, colour, dashes) in LOSSES.items():
        values = own.training.get(name, np.zeros(0))
        if not (values > 0).any():
            continue
        axes.plot(
            own.epochs, np.where(values > 0, values, np.nan), color=colour, linestyle=dashes, label=label
        )
        _published(axes, measured, name, own.epochs[-1], colour)
        rows += [
            {"loss": name, "epoch": float(e), "value": _number(v)}
            for e, v in zip(own.epochs, values, strict=True)
        ]
    axes.set_yscale("log")
    for at in warmup(own.spec.curriculum) or ():
        if at <= own.epochs[-1]:
            axes.axvline(at, color=GREY, linestyle=":", linewidth=1.2)
    _finish(figure, axes, "training loss")
    return figure, rows


def fig8(measured: CellTable, kind: Kind, own: Course | None, until: int) -> tuple[Figure, Rows]:
    """The curriculum's weights of KL and diffusion at the epochs from 0 to ``until``."""
    figure, axes = _sheet(measured, SCHEDULE)
    rows: Rows = []
    for name, (label, colour, style) in RAMPS.items():
        values = [curriculum(kind, epoch)[INDEX[name]] for epoch in range(until + 1)]
        axes.plot(range(until + 1), values, color=colour, linestyle=style, label=label)
        logged = {} if own is None else _logged(own, f"gamma_{name}")
        if logged:
            axes.plot(
                [*logged],
                [*logged.values()],
                color=colour,
                marker="o",
                markersize=DOTS[name],
                linestyle="none",
            )
        rows += [
            {"weight": name, "epoch": epoch, "schedule": value, "logged": logged.get(epoch)}
            for epoch, value in enumerate(values)
        ]
    axes.set_ylim(-0.05, 1.05)
    _finish(figure, axes, "curriculum weight")
    return figure, rows


def warmup(kind: Kind, until: int = 100) -> tuple[int, int] | None:
    """The last epoch at which γ_diff is still 0, and the first at which it is 1; None without a ramp."""
    values = [curriculum(kind, epoch)[INDEX["diffusion"]] for epoch in range(until + 1)]
    if values[0] > 0:
        return None
    return max(e for e, value in enumerate(values) if value == 0), values.index(1.0)


def _logged(own: Course, name: str) -> dict[int, float]:
    """What the run logged, by the epoch that it trained in, from 0."""
    values = own.training.get(name, np.zeros(0))
    return {round(e) - 1: float(v) for e, v in zip(own.epochs, values, strict=False)}


def _published(axes: Axes, measured: CellTable, name: str, at: float, colour: str) -> None:
    """The published value of the column that is called so, at the end of the course."""
    own = [cell.published for cell in measured.cells if cell.column.lower() == name]
    drawing.published_points(axes, [at] * len(own), own, colour, "D")


def _sheet(measured: CellTable, rule: str) -> tuple[Figure, Axes]:
    figure = drawing.sheet(5.8, 3.1, note(measured, rule, statistics=False))
    return figure, figure.subplots()


def _lost(axes: Axes, measured: CellTable) -> Rows:
    reason = next((cell.reason for cell in measured.cells if cell.reason), "")
    drawing.not_run(axes, reason, width=60)
    return [{"reason": reason}]


def _finish(figure: Figure, axes: Axes, name: str) -> None:
    axes.set_xlim(left=0)
    whole_epochs(axes)
    axes.set_ylabel(name)
    figure.legend(loc="outside upper center", ncols=4, fontsize=8)


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
