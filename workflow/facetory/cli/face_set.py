"""`facetory faces set`: a split's faces as recognisers see them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetory.cli.options import Folder, SpecText, spec_of
from facetory.faces.spec import FaceSetSpec


def make(
    spec: SpecText,
    faces: Annotated[Path, typer.Option("--faces", help="ledger.csv of aligned faces.")],
    folder: Folder,
) -> None:
    """Turn a split's faces to the 112 x 112 template of face recognition; a killed job goes on."""
    from facetory.faces.face_set_stage import make_face_set

    make_face_set(spec_of(FaceSetSpec, spec), faces, folder)
