"""The stage that makes an index: read a placed dataset and check every image, or render an embedded one."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from facetory.data.catalogue import Entry, entry, own_entry, placed, source_of
from facetory.data.images import read_image
from facetory.data.index import SPLITS, Odd, Sample, counts, write_index
from facetory.data.listing import Found, Listing, chooser
from facetory.pipeline.config import DatasetSpec
from facetory.pipeline.files import FacetoryError, sha256_of
from facetory.pipeline.provenance import manifest

TOLERATED = 0.01
"""Share of the training images that may be unreadable; above it the copy is taken to be incomplete."""


def make_index(spec: DatasetSpec, data_root: Path | str, folder: Path | str, processes: int = 1) -> None:
    """Make the index that a spec asks for; a dataset that is not placed is a `FacetoryError` that says where.

    ``spec.sizes`` is ``{"per_class": {split: count}}`` for a placed dataset; the embedded ones explain their
    own (`facetory.data.anny.dataset.render`).
    """
    dataset = own_entry(spec.name, spec.path, spec.labels) if spec.path else entry(spec.name)
    reason = placed(dataset, data_root)
    if reason:
        raise FacetoryError(reason)
    terms = f"{dataset.name}: {dataset.title}; licence: {dataset.licence}"
    Console(stderr=True).print(terms, markup=False, highlight=False, soft_wrap=True)
    if dataset.access == "embedded":
        _loader(dataset).render(spec.name, spec.sizes, folder, spec.seed, processes)
    else:
        index(dataset, source_of(dataset, data_root), folder, spec.sizes.get("per_class"), spec.seed)


def index(
    dataset: Entry,
    source: Path | str,
    folder: Path | str,
    limit_per_class: Mapping[str, int] | None = None,
    seed: int = 0,
) -> None:
    """Read a placed dataset and write index.csv, ledger.csv and manifest.json into ``folder``.

    Every image is decoded to its last pixel.  An unreadable training image is left out with a row in the
    ledger; an unreadable validation or test image, or too many training images, is a `FacetoryError`, because
    no test image is dropped.  With ``limit_per_class`` ({split: count}) that many samples of each class are
    kept by keyed randomness, and the manifest says so.
    """
    source, folder = Path(source).absolute(), Path(folder)
    unknown_splits = set(limit_per_class or ()) - set(SPLITS)
    if unknown_splits:
        raise FacetoryError(
            f"{dataset.name}: a limit names {unknown_splits}. Splits are {', '.join(SPLITS)}."
        )
    spec = {"dataset": dataset.name, "limit_per_class": dict(limit_per_class or {}), "seed": seed}
    with manifest(folder / "manifest.json", "index", spec, ["data.stage"], seed=seed) as record:
        choose = chooser(dataset.name, limit_per_class, seed)
        listing: Listing = _loader(dataset).read(dataset, source, folder, choose)
        samples, left_out = _readable(dataset, listing.found)
        ledger = [*listing.ledger, *left_out, *_repeated(samples)]
        if not limit_per_class:
            ledger += _unexpected(dataset, listing.found)
        write_index(folder, [_below(folder, sample) for sample in samples], listing.classes, ledger)
        record |= {
            "status": "indexed",
            "title": dataset.title,
            "licence": dataset.licence,
            "classes": listing.classes,
            "counts": counts(samples, listing.classes),
            "published_counts": dataset.counts,
            "left_out": len(left_out),
            "ledger_rows": len(ledger),
            "label_files": {path.name: sha256_of(path) for path in listing.sources},
            "outputs": {name: sha256_of(folder / name) for name in ("index.csv", "ledger.csv")},
            **listing.notes,
        }


def _loader(dataset: Entry) -> Any:
    return importlib.import_module(f"facetory.data.{dataset.loader}")


def _below(folder: Path, sample: Sample) -> Sample:
    """The sample with its image relative to the folder where it lies in it."""
    image, here = Path(sample.image), folder.absolute()
    return sample._replace(image=str(image.relative_to(here))) if image.is_relative_to(here) else sample


def _readable(dataset: Entry, found: list[Found]) -> tuple[list[Sample], list[Odd]]:
    """The samples whose images decode, and a ledger row for each training image that does not."""
    samples, left_out = [], []
    for item in track(found, f"reading {dataset.name}", console=Console(stderr=True)):
        try:
            read_image(item.sample.image)
        except FacetoryError as error:
            where = f"{item.file} line {item.row}" if item.row else item.file
            if item.sample.split != "train":
                raise FacetoryError(
                    f"{dataset.name}: {where}: {error} It is in the {item.sample.split} split, of which no "
                    "image may be left out."
                ) from error
            left_out.append(Odd(item.row, item.file, str(error), "left out"))
        else:
            samples.append(item.sample)
    training = [item for item in found if item.sample.split == "train"]
    if len(left_out) > max(1, TOLERATED * len(training)):
        raise FacetoryError(
            f"{dataset.name}: {len(left_out)} of {len(training)} training images cannot be read, the first: "
            f"{left_out[0].problem} The copy is incomplete; place it again."
        )
    return samples, left_out


def _repeated(samples: list[Sample]) -> list[Odd]:
    """A ledger row for each image whose bytes stand in another split as well: it leaks."""
    first: dict[str, Sample] = {}
    rows = []
    for sample in samples:
        other = first.setdefault(sha256_of(sample.image), sample)
        if other.split != sample.split:
            problem = (
                f"{sample.sample_id} ({sample.split}) is the same file as {other.sample_id} ({other.split})"
            )
            rows.append(Odd("", sample.image, problem, "kept"))
    return rows


def _unexpected(dataset: Entry, found: list[Found]) -> list[Odd]:
    """A ledger row for each split whose size is not the published one."""
    sizes: Counter[str] = Counter(item.sample.split for item in found)
    return [
        Odd("", "", f"{split} has {sizes[split]} samples, the published set {number}", "kept")
        for split, number in dataset.counts.items()
        if sizes[split] != number
    ]
