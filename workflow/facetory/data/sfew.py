"""SFEW 2.0: aligned stills from films in a folder per class (Dhall et al., ICMI 2015)."""

from __future__ import annotations

from pathlib import Path

from facetory.data.catalogue import Entry
from facetory.data.folder import sample_id
from facetory.data.images import IMAGE_SUFFIXES
from facetory.data.index import Odd, Sample
from facetory.data.listing import Choose, Found, Listing
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.suggest import unknown

SPLITS = {"train": "Train_Aligned_Faces", "validation": "Val_Aligned_Faces"}
WITHHELD = "Test_Aligned_Faces"
CLASSES = {
    "Angry": "anger",
    "Disgust": "disgust",
    "Fear": "fear",
    "Happy": "happiness",
    "Neutral": "neutral",
    "Sad": "sadness",
    "Surprise": "surprise",
}


def read(entry: Entry, source: Path, folder: Path, choose: Choose) -> Listing:
    """Samples of ``{Train,Val}_Aligned_Faces/{class}/…``, in the order of their paths.

    The labels of the test faces are withheld, so there is no test split; people are not named by the set.  A
    class folder that is missing or unknown is a `FacetoryError`.
    """
    found, ledger = [], []
    for split, part in SPLITS.items():
        _check_folders(source / part)
        for path in sorted(path for path in (source / part).rglob("*") if not path.is_dir()):
            place = path.relative_to(source)
            if len(place.parts) == 3 and path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != ".":
                label = CLASSES[place.parts[1]]
                sample = Sample(sample_id(str(place)), split, label, "", str(path.absolute()))
                found.append(Found(sample, str(place)))
            else:
                ledger.append(Odd("", str(place), "no image in a class folder", "left out"))
    if (source / WITHHELD).exists():
        ledger.append(Odd("", WITHHELD, "the labels of the test faces are withheld", "left out"))
    return Listing(choose(found), entry.class_names, ledger, [], {})


def _check_folders(part: Path) -> None:
    present = {path.name for path in part.iterdir() if path.is_dir() and not path.name.startswith(".")}
    for name in sorted(present - CLASSES.keys()):
        raise unknown("class folder", name, CLASSES, str(part))
    missing = sorted(CLASSES.keys() - present)
    if missing:
        raise FacetoryError(
            f"{part}: the class folder {missing[0]} is missing ({len(missing)} of {len(CLASSES)} are). "
            "Restore it from your copy of SFEW 2.0."
        )
