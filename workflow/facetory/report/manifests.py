"""Whether every file of a results folder is still what its manifest says it was."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from facetory.pipeline.files import read_json, sha256_of
from facetory.report.lineage import MANIFEST


class Checked(NamedTuple):
    """How many files are as recorded, how many an archive left out, and what is wrong with the others."""

    equal: int
    left_out: int
    broken: list[str]


def check_manifests(root: Path, present: Collection[str] | None = None) -> Checked:
    """Every file that a manifest below ``root`` names against its recorded sha256.

    ``present`` are the files that an archive holds as they were, as paths below it: others were left out.
    """
    equal = left_out = 0
    broken = []
    for path in sorted(root.rglob(MANIFEST)):
        about = read_json(path)
        if not isinstance(about, dict):
            broken.append(f"{path}: not a manifest")
            continue
        for name, expected in (about.get("outputs") or {}).items():
            file = path.parent / name
            if present is not None and file.relative_to(root).as_posix() not in present:
                left_out += 1
            elif not file.is_file():
                broken.append(f"{file}: missing")
            elif sha256_of(file) != expected:
                broken.append(f"{file}: differs from its manifest")
            else:
                equal += 1
    return Checked(equal, left_out, broken)
