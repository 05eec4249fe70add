"""The rendered datasets: who shows which expression how often, and their rendering in parallel."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

from facetory.data.anny import grey, portrait
from facetory.data.index import SPLITS, Sample, counts, write_index
from facetory.data.labels import BASIC, COMPOUND
from facetory.pipeline.files import FacetoryError, read_json, sha256_of, write_json, written_aside
from facetory.pipeline.provenance import code_of, manifest
from facetory.pipeline.randomness import permutation
from facetory.pipeline.suggest import unknown

CLASSES: dict[str, tuple[str, ...]] = {
    "anny_basic": BASIC,
    "anny_compound": COMPOUND,
    "anny_wild": BASIC,
    "anny_large": BASIC,
    "anny_judge": BASIC,
    "anny_grey": BASIC,
    "anny_pretrain": (),
    "anny_people": (),
}
"""The classes of each dataset in canonical order; `anny_pretrain` and `anny_people` have no labels."""
SIZES: dict[str, dict[str, dict[str, int]]] = {
    "anny_basic": {
        "people": {"train": 160, "validation": 16, "test": 48},
        "images": {"train": 3, "validation": 1, "test": 2},
    },
    "anny_compound": {"people": {"train": 60, "test": 30}, "images": {"train": 2, "test": 1}},
    "anny_wild": {"people": {"train": 80, "test": 40}, "images": {"train": 2, "test": 1}},
    "anny_large": {"people": {"train": 300, "test": 60}, "images": {"train": 2, "test": 1}},
    "anny_judge": {"people": {"train": 160, "test": 40}, "images": {"train": 3, "test": 1}},
    "anny_grey": {"people": {"train": 80, "test": 40}, "images": {"train": 2, "test": 1}},
    "anny_pretrain": {"people": {"train": 4000}, "images": {"train": 4}},
    "anny_people": {"people": {"train": 300, "test": 60}, "images": {"train": 8, "test": 8}},
}
"""Sizes where a scale names none."""
AFFECTNET = (14090, 6378, 3803, 134415, 25459, 24882, 74874)
"""AffectNet's training images of each basic class: the imbalance of `anny_large`'s training split."""
GREY = ("anny_grey",)
"""Datasets whose images are stored as FER2013 stores its own (`grey.tight`)."""
PIXELS = 160
LICENCE = "CC0-1.0: renders of MakeHuman's data and Face Units (CC0), by way of anny (Apache-2.0)"


def plan(dataset: str, sizes: Mapping[str, Any], seed: int) -> list[Sample]:
    """The samples of a dataset, without captions.

    ``sizes`` is ``{"people": {split: count}, "images": count or {split: count}}``: images of each person and
    expression (of each person, where there are no labels); an empty one stands for `SIZES`.  In the training
    split of `anny_large` as many images follow AffectNet's imbalance.  People of different splits and
    datasets differ.  Raises `FacetoryError` for an unknown dataset, key or split.
    """
    if dataset not in CLASSES:
        raise unknown("dataset", dataset, CLASSES, "facetory.data.anny")
    people, images = _sizes(dataset, sizes or SIZES[dataset])
    samples = []
    for split in SPLITS:
        names = [f"{dataset}_{split}{k:05d}" for k in range(people.get(split, 0))]
        if dataset == "anny_large" and split == "train":
            samples += _imbalanced(names, images[split], seed)
        else:
            labels = CLASSES[dataset] or ("",)
            samples += [
                _sample(split, label, name, k)
                for name in names
                for label in labels
                for k in range(images[split])
            ]
    return samples


def render(
    dataset: str,
    sizes: Mapping[str, Any],
    folder: Path | str,
    seed: int = 0,
    processes: int = 1,
    pixels: int = PIXELS,
) -> None:
    """Render a dataset into ``folder``: `images/`, `index.csv` with captions, `ledger.csv`, `manifest.json`.

    ``sizes`` as in `plan`; images are drawn ``pixels`` wide and high, and `GREY` sets store them smaller.  A
    render that was killed continues: images that are whole and were made with the same seed, size and code
    stay.  The number of processes changes no image.  Raises `FacetoryError` when a process dies.
    """
    folder = Path(folder)
    samples = plan(dataset, sizes, seed)
    settings = {
        "seed": seed,
        "pixels": pixels,
        "code": code_of("data.anny.portrait", "data.anny.window"),
        "packages": {name: importlib.metadata.version(name) for name in ("anny", "pyvista", "vtk")},
    }
    if dataset in GREY:
        settings["grey"] = code_of("data.anny.grey")
    spec = {"dataset": dataset, "sizes": dict(sizes or SIZES[dataset]), **settings}
    with manifest(folder / "manifest.json", "render", spec, ["data.anny.dataset"], seed=seed) as record:
        kept = folder / "images" / "settings.json"
        if not kept.exists() or read_json(kept) != settings:
            shutil.rmtree(folder / "images", ignore_errors=True)
            write_json(kept, settings)
        missing = [sample for sample in samples if not _whole(folder / sample.image)]
        _render_all(dataset, missing, folder, seed, max(1, processes), pixels)
        described = [
            sample._replace(caption=portrait.describe(dataset, sample, seed)[3]) for sample in samples
        ]
        write_index(folder, described, CLASSES[dataset])
        record |= {
            "status": "rendered",
            "licence": LICENCE,
            "classes": CLASSES[dataset],
            "counts": counts(samples, CLASSES[dataset] or ("",)),
            "people": {split: len({s.person for s in samples if s.split == split}) for split in SPLITS},
            "rendered_now": len(missing),
            "outputs": {name: sha256_of(folder / name) for name in ("index.csv", "ledger.csv")},
        }


def _sizes(dataset: str, sizes: Mapping[str, Any]) -> tuple[dict[str, int], dict[str, int]]:
    """People and images by split."""
    for key in sizes:
        if key not in ("people", "images"):
            raise unknown("size", key, ("people", "images"), dataset)
    people, images = sizes.get("people"), sizes.get("images", 1)
    if not isinstance(people, Mapping) or not people:
        raise FacetoryError(f"{dataset}: sizes name no people. Write people: {{train: 160, test: 48}}.")
    for split in (*people, *(images if isinstance(images, Mapping) else ())):
        if split not in SPLITS:
            raise unknown("split", split, SPLITS, f"{dataset}: sizes")
    each = images if isinstance(images, Mapping) else dict.fromkeys(SPLITS, images)
    return dict(people), {split: each.get(split, 1) for split in SPLITS}


def _sample(split: str, label: str, person: str, k: int) -> Sample:
    sample_id = "_".join(filter(None, (person, label, str(k))))
    return Sample(sample_id, split, label, person, f"images/{sample_id}.png")


def _imbalanced(names: list[str], images: int, seed: int) -> list[Sample]:
    """As many images as each person showing each class ``images`` times, in AffectNet's proportions."""
    labels = CLASSES["anny_large"]
    total = len(names) * images * len(labels)
    shares = [max(1, round(total * count / sum(AFFECTNET))) for count in AFFECTNET]
    shares[AFFECTNET.index(max(AFFECTNET))] += total - sum(shares)
    drawn = [label for label, count in zip(labels, shares, strict=True) for _ in range(count)]
    samples, seen = [], Counter[tuple[str, str]]()
    for place, k in enumerate(permutation(total, seed, "anny", "imbalance")):
        name, label = names[place * len(names) // total], drawn[k]
        samples.append(_sample("train", label, name, seen[name, label]))
        seen[name, label] += 1
    return samples


def _render_all(
    dataset: str, samples: list[Sample], folder: Path, seed: int, processes: int, pixels: int
) -> None:
    """Render in processes of their own, one thread each, so that no image depends on how many there are."""
    from rich.console import Console
    from rich.progress import track

    size = min(64, max(8, -(-len(samples) // processes)))
    chunks = [samples[k : k + size] for k in range(0, len(samples), size)]
    if not chunks:
        return
    context = get_context("spawn")
    with (
        _one_thread_each(),
        ProcessPoolExecutor(min(processes, len(chunks)), context, _die_with_parent) as pool,
    ):
        jobs = [pool.submit(_render_chunk, dataset, chunk, folder, seed, pixels) for chunk in chunks]
        try:
            for job in track(
                as_completed(jobs), f"rendering {dataset}", len(jobs), console=Console(stderr=True)
            ):
                job.result()
        except BrokenProcessPool as error:
            raise FacetoryError(
                f"{folder}: a rendering process died (out of memory, or VTK found no way to draw without a "
                "display). Finished images are kept: run it again, with fewer processes or more memory."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _render_chunk(dataset: str, samples: list[Sample], folder: Path, seed: int, pixels: int) -> None:
    from PIL import Image

    for sample, image in portrait.images(dataset, samples, seed, pixels):
        with written_aside(folder / sample.image, durable=False) as aside:
            stored = grey.tight(image) if dataset in GREY else image
            Image.fromarray(stored).save(aside, format="PNG", compress_level=4)


def _die_with_parent() -> None:
    """End this process when its parent has ended, also when that was killed."""

    def watch() -> None:
        parent = parent_process()
        if parent:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started within compute and rasterise with one thread each."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LP_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _whole(path: Path) -> bool:
    """Whether a PNG file ends as PNG files do."""
    try:
        with path.open("rb") as handle:
            handle.seek(-8, os.SEEK_END)
            return handle.read() == b"IEND\xaeB`\x82"
    except OSError:
        return False
