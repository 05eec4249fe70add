"""What Figs. 6 to 8 read out of edits and measures: strips of faces, the genealogy of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facetory.data.catalogue import entries
from facetory.pipeline.files import open_tensors, read_metadata
from facetory.report.cells import CellTable
from facetory.smc.genealogy import Trace
from facetory.smc.strips_figure import Shot, Strip

FACES = 3
"""Faces of each row of Figs. 6 and 7."""
Arrays = Mapping[str, Any]
"""Arrays and metadata of edits.safetensors or measures.safetensors, by name."""


def faces_of_edits(
    measured: CellTable, edits: Mapping[tuple[str, str], tuple[Arrays, Arrays]]
) -> list[Strip]:
    """The first faces of each row, with all its columns' edits of them.

    ``edits`` maps (row, column) that ran to the arrays and metadata of its edits and of its measures.
    """
    found = []
    cells = {(cell.row, cell.column): cell for cell in measured.cells}
    for row in measured.rows:
        ran = {column: edits[row, column] for column in measured.columns if (row, column) in edits}
        if not ran:
            continue
        edited, judged = next(iter(ran.values()))
        for i, sample_id in enumerate(edited["sample_ids"][:FACES]):
            shots: dict[str, Shot | str] = {
                column: _edit(*ran[column], sample_id) if column in ran else cells[row, column].reason or ""
                for column in measured.columns
            }
            label = int(edited["labels"][i])
            found.append(
                Strip(
                    row,
                    _about(row, cells[row, next(iter(ran))].dataset),
                    sample_id,
                    edited["sources"][i],
                    edited["classes"][label] if label >= 0 else "",
                    _shot(edited["reconstructions"][i], judged["judge_source"][i], judged),
                    shots,
                )
            )
    return found


def _edit(edited: Arrays, judged: Arrays, sample_id: str) -> Shot | str:
    if sample_id not in edited["sample_ids"]:
        return "this face is not among the edit's"
    i = edited["sample_ids"].index(sample_id)
    target = edited["guide_classes"][int(edited["targets"][i])]
    return _shot(edited["edited"][i], judged["judge_edited"][i], judged)._replace(target=target)


def _shot(picture: Any, probabilities: Any, judged: Arrays) -> Shot:
    best = int(probabilities.argmax())
    return Shot(picture, judged["judge_classes"][best], float(probabilities[best]))


def _about(row: str, dataset: str | None) -> str:
    """A row's name, the dataset that its faces are from, and whether it is rendered."""
    known = entries().get(dataset or "")
    rendered = known is not None and (known.loader or "").startswith("anny")
    return f"{row}\n[{dataset}]\n{'render' if rendered else 'photograph'}"


def trace_of(edited: Arrays) -> Trace:
    """The genealogy of the first face of an edit, from its arrays."""
    per_face = ("scores", "ancestors", "ess", "unique_roots", "chosen")
    first = {name: edited[name][0] for name in per_face}
    return Trace(
        **first | {"chosen": int(first["chosen"])},
        final_scores=edited["guide_scores"][0],
        snapshots=edited["snapshots"],
        snapshot_scorings=edited["snapshot_scorings"],
        source=edited["sources"][0],
        edited=edited["edited"][0],
        target=edited["guide_classes"][int(edited["targets"][0])],
    )


def read(path: Path) -> dict[str, Any]:
    """The arrays and the metadata of a stage's safetensors file, by name."""
    with open_tensors(path) as handle:
        return {name: handle.get_tensor(name) for name in handle.keys()} | read_metadata(path)  # noqa: SIM118
