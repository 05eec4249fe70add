"""Whether a stage's file is still what its manifest says it was."""

from __future__ import annotations

from pathlib import Path

from facetory.pipeline.files import FacetoryError, read_json, sha256_of


def intact(path: Path) -> Path:
    """The path itself; a file whose hash is not the one in the manifest beside it is a `FacetoryError`."""
    if sha256_of(path) != read_json(path.with_name("manifest.json"))["outputs"][path.name]:
        raise FacetoryError(
            f"{path}: differs from the hash in its manifest. Delete {path.parent} and run its target again."
        )
    return path
