"""What the workflow itself does not ask for in a rehearsal: other layouts of datasets, other networks."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from facetory.data.catalogue import entry
from facetory.data.mosei.spec import CorpusSpec, ExtractionSpec, Modality
from facetory.diffusion.catalogue import backbone
from facetory.pipeline.config import DatasetSpec
from facetory.pipeline.files import FacetoryError
from facetory.rehearsal.bank import Face, bank
from facetory.rehearsal.datasets import LAYOUTS, Layout
from facetory.rehearsal.fabricate import FACES, PEOPLE

LEDGER = "readers.jsonl"
SIZES = dict.fromkeys(("train", "validation", "test"), 7)
EXTRACTED: dict[Modality, Any] = {"audio": "hubert", "video": "clip"}
"""Foundation models that no table of the paper's scale reads."""
PLACED = ("sd15-vae",)
"""Backbones of other readings."""


class Read(NamedTuple):
    """A layout or a network's weights, and whether its reader took it; ``detail`` says why not."""

    kind: str
    name: str
    status: str
    detail: str = ""


def read_all(data_root: Path | str, folder: Path | str) -> list[Read]:
    """Read all that the workflow leaves out, and write a line each to ``folder``/readers.jsonl.

    A reader that fails leaves its reason in its line; the others go on.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    found = [_tried(kind, name, read) for kind, name, read in _tasks(Path(data_root))]
    lines = [json.dumps(each._asdict(), ensure_ascii=False) for each in found]
    (folder / LEDGER).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return found


def read_layout(layout: Layout, faces: list[Face]) -> None:
    """Write a layout into a folder of its own and read it by the loader of its dataset."""
    from facetory.data.mosei.stage import index_corpus
    from facetory.data.stage import make_index

    with tempfile.TemporaryDirectory(prefix="facetory-layout-") as name:
        root = Path(name)
        counts = entry(layout.dataset).counts
        layout.fabricate(root, faces, {split: SIZES[split] for split in counts or SIZES})
        if layout.dataset == "cmu_mosei":
            index_corpus(CorpusSpec(dataset=layout.dataset), root / "index", root)
            return
        own = str(root / entry("folder").place) if layout.dataset == "folder" else None
        make_index(DatasetSpec(name=layout.dataset, path=own), root, root / "index")


def _tasks(data_root: Path) -> Iterator[tuple[str, str, Callable[[], None]]]:
    faces = bank(data_root / FACES, PEOPLE)
    for name, layout in LAYOUTS.items():
        yield "layout", name, partial(read_layout, layout, faces)
    for modality, features in EXTRACTED.items():
        yield "weights", features, partial(_extract, modality, features, data_root)
    for name in PLACED:
        yield "weights", name, partial(_place, name, data_root)


def _extract(modality: Modality, features: Any, data_root: Path) -> None:
    from facetory.data.mosei.extract import extract_features
    from facetory.data.mosei.stage import index_corpus

    spec = ExtractionSpec(corpus=CorpusSpec(dataset="cmu_mosei"), modality=modality, features=features)
    with tempfile.TemporaryDirectory(prefix="facetory-extraction-") as name:
        index_corpus(spec.corpus, Path(name) / "corpus", data_root)
        extract_features(spec, Path(name) / "corpus" / "manifest.json", data_root, Path(name))


def _place(name: str, data_root: Path) -> None:
    from facetory.diffusion.backbone import placed_vae
    from facetory.diffusion.place import place

    with tempfile.TemporaryDirectory(prefix="facetory-backbone-") as folder:
        manifest = Path(folder) / "manifest.json"
        place(backbone(name), data_root, manifest)
        placed_vae(manifest)


def _tried(kind: str, name: str, read: Callable[[], None]) -> Read:
    try:
        read()
    except FacetoryError as error:
        return Read(kind, name, "failed", str(error))
    return Read(kind, name, "read")
