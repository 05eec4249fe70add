"""CASIA-WebFace as insightface packs it: records of faces, then of people, and what tells their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from facetory.data.casia_webface import PROPERTY, RECORDS
from facetory.data.catalogue import entry, source_of
from facetory.pipeline.files import write_text
from facetory.rehearsal.bank import Face
from facetory.rehearsal.casting import asked, portraits
from facetory.rehearsal.pictures import jpeg
from facetory.rehearsal.recordio import packed, write_records
from facetory.rehearsal.turned import turned

PX = 112


def fabricate(data_root: Path, faces: Sequence[Face], sizes: Mapping[str, int]) -> None:
    """Write `casia_webface`: ``sizes`` are the images of train, dealt to people as `portraits` says."""
    source = source_of(entry("casia_webface"), data_root)
    count = asked("casia_webface", sizes, ("train",))["train"]
    keys: dict[str, list[int]] = {}
    contents = {0: b""}
    for key, shot in enumerate(portraits("casia_webface", faces, count), start=1):
        keys.setdefault(shot.face.person, []).append(key)
        contents[key] = packed(len(keys) - 1, key, jpeg(turned(shot.face, PX)))
    for key, own in enumerate(keys.values(), start=count + 1):
        contents[key] = packed((own[0], own[-1] + 1), key)
    contents[0] = packed((count + 1, count + 1 + len(keys)), 0)
    write_records(source / RECORDS, contents)
    write_text(source / PROPERTY, f"{len(keys)},{PX},{PX}")
