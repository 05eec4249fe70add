"""How faces were aligned, as manifests and models record it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainSerializer

from facetory.faces.crop import Alignment
from facetory.pipeline.files import read_json


def _as_object(alignment: Alignment) -> dict[str, Any]:
    return {**alignment._asdict(), "detection": alignment.detection._asdict()}


Recorded = Annotated[Alignment, PlainSerializer(_as_object)]
"""An alignment as a field of a pydantic model, an object in JSON."""


def alignment_of(manifest: Path | str) -> Alignment:
    """The alignment by which a folder of faces was made, from its manifest.json."""
    from pydantic import TypeAdapter

    spec = read_json(manifest)["spec"]
    return TypeAdapter(Alignment).validate_python({key: spec[key] for key in Alignment._fields})
