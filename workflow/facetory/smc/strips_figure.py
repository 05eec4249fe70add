"""Figs. 6 and 7: faces, what the autoencoder alone makes of them, and their edits, as the judge sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from facetory.report import drawing
from facetory.report.cells import CellTable
from facetory.report.drawing import GREY, PALETTE
from facetory.report.notes import footer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RULE = (
    "Below a picture: the independent judge's class and its probability, bold where it is the target. Below "
    "a source: its label. The faces are the first of each edit, whatever became of them."
)
Rows = list[dict[str, Any]]


class Shot(NamedTuple):
    """A picture uint8 (3, h, w), and the class that the judge sees in it with which probability.

    ``target`` is the class of the guide that an edit was to show.
    """

    picture: np.ndarray
    verdict: str
    probability: float
    target: str | None = None


class Strip(NamedTuple):
    """One face: ``source`` uint8 (3, h, w) with its ``label`` ("" for none), reconstruction, edits by column.

    An edit that was not made is the reason why.
    """

    row: str
    about: str
    sample_id: str
    source: np.ndarray
    label: str
    reconstruction: Shot
    edits: Mapping[str, Shot | str]


def strips(measured: CellTable, faces: Sequence[Strip]) -> tuple[Figure, Rows]:
    """A line of pictures a face; with one target, the table's rows stand side by side.

    A row of ``measured`` without a face is a line that says why.
    """
    columns = ["source", "VAE reconstruction", *measured.columns]
    own = {row: [face for face in faces if face.row == row] for row in measured.rows}
    blocks: list[list[Strip | str]] = [[*found] or [row] for row, found in own.items()]
    if len(measured.columns) > 1:
        blocks = [[line for block in blocks for line in block]]
    height = max(map(len, blocks))
    width = len(columns) * len(blocks)
    figure = drawing.sheet(
        1.35 * width + 0.35 * len(blocks), 1.5 * height + 0.2, f"{RULE} {footer(measured)}"
    )
    panels = figure.subplots(height, width, squeeze=False)
    rows: Rows = []
    for b, block in enumerate(blocks):
        for i in range(height):
            line = panels[i][b * len(columns) : (b + 1) * len(columns)]
            if i >= len(block):
                for axes in line:
                    axes.set_axis_off()
            elif isinstance(face := block[i], Strip):
                rows += _line(line, face, measured.columns)
            else:
                rows.append(_lost(line, str(face), measured))
            if i == 0:
                for axes, name in zip(line, columns, strict=True):
                    drawing.title(axes, name.replace(" ", "\n", 1))
    return figure, rows


def _line(line: Sequence[Axes], face: Strip, targets: Sequence[str]) -> Rows:
    shown = Shot(face.source, face.label.replace("_", " "), float("nan"))
    about = {"row": face.row, "sample_id": face.sample_id}
    rows = []
    for axes, name, shot in zip(
        line,
        ["source", "reconstruction", *targets],
        [shown, face.reconstruction, *(face.edits[target] for target in targets)],
        strict=True,
    ):
        if isinstance(shot, str):
            drawing.not_run(axes, shot, width=20)
            axes.set_box_aspect(1)
            rows.append(about | _drawn(name, reason=shot))
            continue
        drawing.picture(axes, shot.picture.transpose(1, 2, 0))
        _verdict(axes, shot)
        known = None if shot is shown else shot.probability
        rows.append(about | _drawn(name, shot.verdict, known, shot.target))
    line[0].set_ylabel(face.about, fontsize=7.5)
    return rows


def _verdict(axes: Axes, shot: Shot) -> None:
    known = "" if np.isnan(shot.probability) else f" {shot.probability:.2f}"
    hit = shot.target is not None and shot.verdict == shot.target
    text = axes.set_xlabel(f"{shot.verdict.replace('_', ' ')}{known}", fontsize=7.5, labelpad=2)
    text.set_color(PALETTE["green"] if hit else GREY)
    text.set_fontweight("bold" if hit else "normal")


def _lost(line: Sequence[Axes], row: str, measured: CellTable) -> dict[str, Any]:
    reason = next((cell.reason or "" for cell in measured.cells if cell.row == row), "")
    for axes in line:
        drawing.not_run(axes, "")
        axes.texts[0].remove()
        axes.set_box_aspect(1)
    drawing.not_run(line[0], reason, width=20)
    line[0].set_ylabel(row, fontsize=7.5)
    return {"row": row, "sample_id": ""} | _drawn("", reason=reason)


def _drawn(
    picture: str,
    verdict: str = "",
    probability: float | None = None,
    target: str | None = None,
    reason: str = "",
) -> dict[str, Any]:
    return {
        "picture": picture,
        "target": target,
        "verdict": verdict,
        "probability": probability,
        "reason": reason,
    }
