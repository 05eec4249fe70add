"""The fabricated datasets by name, each in its real layout, and the other layouts that the loaders know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from facetory.data.lfw_people import FOLDERS
from facetory.data.verification_bin import SHA256
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.suggest import unknown
from facetory.rehearsal import (
    affectnet,
    casia_webface,
    celebahq,
    fer2013,
    ffhq,
    folders,
    ijbc,
    lfw_people,
    mosei,
    rafdb,
    sfew,
    verification_bin,
)
from facetory.rehearsal.bank import Face

Fabricator = Callable[[Path, Sequence[Face], Mapping[str, int]], None]
"""Writes a dataset below a data root from a bank's faces, with sizes by split (its docstring: of what)."""
TOGETHER = ("fer2013", "fer2013plus")
"""Two datasets that one fabricator writes, into one folder."""

FABRICATORS: dict[str, Fabricator] = {
    "rafdb_basic": partial(rafdb.fabricate, "rafdb_basic"),
    "rafdb_compound": partial(rafdb.fabricate, "rafdb_compound"),
    "sfew": sfew.fabricate,
    "affectnet": affectnet.fabricate_tables,
    **dict.fromkeys(TOGETHER, fer2013.fabricate),
    "celebahq": celebahq.fabricate,
    "ffhq": ffhq.fabricate,
    "casia_webface": casia_webface.fabricate,
    "lfw_people": lfw_people.fabricate,
    **{name: partial(verification_bin.fabricate, name) for name in SHA256},
    "ijbc": ijbc.fabricate,
    "cmu_mosei": mosei.fabricate,
}
"""By the catalogue's names."""


class Layout(NamedTuple):
    """Another layout of a dataset of the catalogue, to be written into a data root of its own."""

    dataset: str
    fabricate: Fabricator


LAYOUTS: dict[str, Layout] = {
    "rafdb_basic_aligned": Layout("rafdb_basic", partial(rafdb.fabricate, "rafdb_basic", kinds=("aligned",))),
    "rafdb_compound_aligned": Layout(
        "rafdb_compound", partial(rafdb.fabricate, "rafdb_compound", kinds=("aligned",))
    ),
    "affectnet_npy": Layout("affectnet", affectnet.fabricate_arrays),
    "fer2013plus_argmax": Layout("fer2013plus_argmax", fer2013.fabricate),
    "celebahq_256": Layout("celebahq", celebahq.fabricate_small),
    "ffhq_flat": Layout("ffhq", partial(ffhq.fabricate, in_folders=False)),
    **{
        f"lfw_people_{folder.removeprefix('lfw').lstrip('-_')}": Layout(
            "lfw_people", partial(lfw_people.fabricate, folder=folder)
        )
        for folder in FOLDERS[1:]
    },
    "cmu_mosei_flat": Layout("cmu_mosei", partial(mosei.fabricate, in_folders=False)),
    "folder_with_splits": Layout("folder", folders.fabricate),
    "folder_without_splits": Layout("folder", partial(folders.fabricate, with_splits=False)),
}
"""By names of their own."""


def fabricate_datasets(
    data_root: Path | str, faces: Sequence[Face], sizes: Mapping[str, Mapping[str, int]]
) -> None:
    """Write the datasets that ``sizes`` names below ``data_root``; equal faces and sizes give equal bytes.

    Files of the same names are replaced and others stay, so the root has to be empty, or one that was
    written with the same sizes.  An unknown dataset or split, and different sizes of `TOGETHER`, are
    `FacetoryError`s before anything is written.
    """
    for name in sizes:
        if name not in FABRICATORS:
            raise unknown("dataset", name, FABRICATORS, "rehearsal")
    together = [sizes[name] for name in TOGETHER if name in sizes]
    if any(other != together[0] for other in together):
        raise FacetoryError(f"{' and '.join(TOGETHER)} are one table; give both the same sizes.")
    for name, splits in sizes.items():
        if name != TOGETHER[1] or TOGETHER[0] not in sizes:
            FABRICATORS[name](Path(data_root), faces, splits)
