"""Figs. 6 and 7: faces, what the autoencoder alone makes of them, and their edits, as the judge sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from facetory.report import drawing
from facetory.report.cells import CellTable
from facetory.report.drawing import GREY, PALETTE
from facetory.report.notes import footer, sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RULE = (
    "Below a picture: the independent judge's class and its probability, bold where it is the target, green "
    "where it was not so on the reconstruction. Below a source: its label. The faces are the first of each "
    "edit, whatever became of them."
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
    height, width = max(map(len, blocks)), len(columns) * len(blocks)
    note = f"{RULE} {_not_run(faces)}{footer(measured, statistics=False)}"
    figure = drawing.sheet(1.35 * width + 0.35 * len(blocks), 1.5 * height + 0.2, note)
    grid = figure.add_gridspec(height, width)
    rows: Rows = []
    for b, block in enumerate(blocks):
        for i, face in enumerate(block):
            if isinstance(face, str):
                whole = figure.add_subplot(grid[i, b * len(columns) : (b + 1) * len(columns)])
                rows.append(_lost(whole, face, measured))
                continue
            line = [figure.add_subplot(grid[i, b * len(columns) + j]) for j in range(len(columns))]
            rows += _line(line, face, measured.columns)
            for axes, name in zip(line, columns if i == 0 else (), strict=False):
                drawing.title(axes, name.replace(" ", "\n", 1))
    return figure, rows


def _line(line: Sequence[Axes], face: Strip, targets: Sequence[str]) -> Rows:
    shown = Shot(face.source, face.label, float("nan"))
    shots: dict[str, Shot | str] = {"source": shown, "reconstruction": face.reconstruction}
    shots |= {target: face.edits[target] for target in targets}
    about = {"row": face.row, "sample_id": face.sample_id}
    before = face.reconstruction.verdict if isinstance(face.reconstruction, Shot) else ""
    rows = []
    for axes, (name, shot) in zip(line, shots.items(), strict=True):
        if isinstance(shot, str):
            drawing.not_run(axes, "")
            axes.set_box_aspect(1)
            rows.append(about | _drawn(name, reason=shot))
            continue
        drawing.picture(axes, shot.picture.transpose(1, 2, 0))
        _verdict(axes, shot, before)
        known = None if shot is shown else shot.probability
        rows.append(about | _drawn(name, shot.verdict, known, shot.target))
    line[0].set_ylabel(face.about, fontsize=7.5)
    return rows


def _verdict(axes: Axes, shot: Shot, before: str) -> None:
    known = "" if np.isnan(shot.probability) else f" {shot.probability:.2f}"
    hit = shot.target is not None and shot.verdict == shot.target
    text = axes.set_xlabel(f"{shot.verdict.replace('_', ' ')}{known}", fontsize=7.5, labelpad=2)
    text.set_color(PALETTE["green"] if hit and before != shot.target else GREY)
    text.set_fontweight("bold" if hit else "normal")


def _lost(axes: Axes, row: str, measured: CellTable) -> dict[str, Any]:
    reason = next((cell.reason or "" for cell in measured.cells if cell.row == row), "")
    drawing.not_run(axes, reason, width=22 * (2 + len(measured.columns)))
    axes.set_ylabel(row, fontsize=7.5)
    return {"row": row, "sample_id": ""} | _drawn("", reason=reason)


def _not_run(faces: Sequence[Strip]) -> str:
    """Why some of the edits of the faces that are shown were not made."""
    found = {column: shot for face in faces for column, shot in face.edits.items() if isinstance(shot, str)}
    return "".join(f"{column} not run: {sentence(reason)} " for column, reason in found.items())


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
