"""LFW's photographs by person: 13,233 of 5,749 people (Huang et al., UMass Amherst 07-49, 2007)."""

from __future__ import annotations

import re
from pathlib import Path

from facetory.data.catalogue import Entry
from facetory.data.folder import sample_id
from facetory.data.index import Odd, Sample
from facetory.data.listing import Choose, Found, Listing
from facetory.pipeline.files import FacetoryError

FOLDERS = ("lfw", "lfw-deepfunneled", "lfw_funneled")
"""As they come, or turned upright; the first one there is read."""


def read(entry: Entry, source: Path, folder: Path, choose: Choose) -> Listing:
    """Samples of ``lfw/Ada_Lovelace/Ada_Lovelace_0001.jpg`` …, all in the test split, with their people.

    A file of another name is told in the ledger.
    """
    top = next(source / name for name in FOLDERS if (source / name).is_dir())
    found, others = [], []
    for path in sorted(path for path in top.rglob("*") if path.is_file()):
        person, place = path.parent.name, path.relative_to(source)
        if path.parent.parent != top or not re.fullmatch(rf"{re.escape(person)}_\d{{4}}\.jpg", path.name):
            others.append(Odd("", str(place), "it is no Name/Name_0001.jpg", "left out"))
            continue
        sample = Sample(sample_id(path.name), "test", "", person, str(path.absolute()))
        found.append(Found(sample, str(place)))
    if not found:
        raise FacetoryError(f"{top}: holds no Name/Name_0001.jpg. Place LFW's folders of people there.")
    chosen = choose(found)
    people = len({item.sample.person for item in chosen})
    return Listing(chosen, entry.class_names, others, [], {"images": top.name, "people": people})
