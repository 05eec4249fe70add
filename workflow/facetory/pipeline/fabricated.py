"""A data root whose datasets and weights were fabricated for a rehearsal, and the hashes of its files.

The marker lies in the data root.  Scales that are no rehearsal refuse such a root, so that a number made
from it can never pass for a real one; below it, files are held against the marker's hashes instead of those
that the project pins.
"""

from __future__ import annotations

from pathlib import Path

from facetory.pipeline.files import FacetoryError, read_json

MARKER = "FABRICATED.json"
FABRICATED = "fabricated data and random weights"


def marker(path: Path | str) -> Path | None:
    """The marker of the data root that a file or folder lies in, or None."""
    path = Path(path).absolute()
    found = (folder / MARKER for folder in (path, *path.parents))
    return next((place for place in found if place.is_file()), None)


def expected_sha256(path: Path | str, pinned: str) -> str:
    """The hash that a file has to have: ``pinned``, or in a fabricated data root the one of its marker."""
    place = marker(path)
    if place is None:
        return pinned
    return str(read_json(place)["sha256"].get(str(Path(path).absolute().relative_to(place.parent)), pinned))


def check_fabricated(data_root: Path, rehearsal: bool, scale: str) -> None:
    """Raise a `FacetoryError` where a rehearsal lacks its data root, or another scale was given one."""
    place = marker(data_root)
    if rehearsal and (place is None or not read_json(place)["sha256"]):
        raise FacetoryError(
            f"Scale '{scale}' reads {FABRICATED}, and {data_root} holds none that are whole ({MARKER}). Run "
            "`make rehearsal`, or `facetory rehearse fabricate DIR` and give data_root=DIR."
        )
    if place and not rehearsal:
        raise FacetoryError(
            f"{data_root} holds {FABRICATED}, which only a rehearsal reads. Choose scale rehearsal, or name "
            "your own data_root in config.yaml."
        )
