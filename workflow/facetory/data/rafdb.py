"""RAF-DB: label file and images as the authors distribute them (Li, Deng and Du, CVPR 2017)."""

from __future__ import annotations

import re
from pathlib import Path

from facetory.data import labels
from facetory.data.catalogue import Entry
from facetory.data.index import Odd, Sample
from facetory.data.listing import Choose, Found, Listing
from facetory.pipeline.files import FacetoryError

LABEL_FILE = "EmoLabel/list_patition_label.txt"
LINE = re.compile(r"((train|test)_\d+)\.jpg (\d+)")
CODES = {"basic": labels.RAFDB_BASIC, "compound": labels.RAFDB_COMPOUND}


def read(entry: Entry, source: Path, folder: Path, choose: Choose) -> Listing:
    """Samples of the label file's lines (``train_00001.jpg 5``), in its order.

    Pictures are those of ``Image/original``; a copy that has only ``Image/aligned`` (100 × 100 pixels) gives
    those, and the manifest says so.  People are not named by the set.  A malformed line, a code outside the
    set's, or a name that stands twice is a `FacetoryError` with its line.
    """
    where, codes = source / LABEL_FILE, CODES[entry.classes]
    kind = "original" if (source / "Image" / "original").is_dir() else "aligned"
    suffix = ".jpg" if kind == "original" else "_aligned.jpg"
    found: dict[str, Found] = {}
    for number, line in enumerate(_lines(where), start=1):
        if not line.strip():
            continue
        match = LINE.fullmatch(line.strip())
        if not match:
            raise _error(entry, number, f"{line.strip()!r} is not of the form 'train_00001.jpg 5'")
        name, split, code = match.groups()
        if code not in codes:
            raise _error(entry, number, f"label {code} is outside 1..{len(codes)}")
        if name in found:
            raise _error(entry, number, f"{name}.jpg stands in line {found[name].row} already")
        image = str(source / "Image" / kind / f"{name}{suffix}")
        found[name] = Found(Sample(name, split, codes[code], "", image), LABEL_FILE, number)
    listed = {Path(item.sample.image).name for item in found.values()}
    present = (path.name for path in sorted((source / "Image" / kind).iterdir()))
    ledger = [
        Odd("", f"Image/{kind}/{name}", "no line of the label file names it", "left out")
        for name in present
        if name not in listed
    ]
    notes = {"images": kind}
    return Listing(choose(list(found.values())), entry.class_names, ledger, [where], notes)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise FacetoryError(
            f"{path}: not a text file ({error}). Restore it from your copy of RAF-DB."
        ) from error


def _error(entry: Entry, number: int, problem: str) -> FacetoryError:
    return FacetoryError(
        f"{entry.name}: {LABEL_FILE} line {number}: {problem}. The set's readme lists names and labels; "
        "restore the file from your copy of RAF-DB."
    )
