"""What AdaptDiff's figures read of a scale's results, by row of their table."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facetory.adaptdiff.histogram_figure import COUNTED, Densities, densities_of
from facetory.adaptdiff.samples_figure import Faces
from facetory.adaptdiff.spec import Guidance, SynthesisSpec
from facetory.faces.face_set import read_face_set
from facetory.pipeline.files import open_tensors, read_json
from facetory.pipeline.registry import Plan
from facetory.report.cells import CellTable

IDENTITIES, IMAGES = 3, 4
CANDIDATES = 32
"""Identities of each set among which those of the sheet are found."""


def inputs(plan: Plan, measured: CellTable, kind: str) -> dict[str, str]:
    """Of each row that ran the first input in the results folder ``kind``, of its first seed."""
    values = {cell.id for cell in measured.cells if cell.value is not None}
    ran = [cell for cell in plan.cells if cell.id in values]
    own = [(cell.row, path) for cell in ran for path in cell.inputs if path.partition("/")[0] == kind]
    return dict(reversed(own))


def densities(plan: Plan, measured: CellTable, root: Path) -> dict[str, Densities]:
    """Score distributions of the rows that ran, from their records."""
    found = inputs(plan, measured, "separations")
    return {
        row: read_densities((root / path).with_name("records.safetensors")) for row, path in found.items()
    }


def read_densities(records: Path) -> Densities:
    """The densities of a separation's scores."""
    with open_tensors(records) as handle:
        return densities_of({name: handle.get_tensor(name) for name in COUNTED})


def guidance(plan: Plan, measured: CellTable, root: Path) -> dict[str, Guidance]:
    """How the faces of each row that ran were guided."""
    return {
        row: SynthesisSpec.model_validate(read_json(root / path)["spec"]).guidance
        for row, path in inputs(plan, measured, "syntheses").items()
    }


def faces(plan: Plan, measured: CellTable, root: Path) -> dict[str, Faces]:
    """Of the rows that ran the first images of the first identities that all of them hold."""
    found = inputs(plan, measured, "syntheses")
    sets = {row: read_face_set(root / path, CANDIDATES, IMAGES) for row, path in found.items()}
    names = [own.names for own in sets.values()]
    shared = [name for name in names[0] if all(name in own for own in names)] if names else []
    return {
        row: {
            name: own.pixels(np.flatnonzero(own.identity == own.names.index(name)))
            for name in shared[:IDENTITIES]
        }
        for row, own in sets.items()
    }
