"""The stage from an index to aligned faces: parallel over images, resumable, with ledger and sheet."""

from __future__ import annotations

import csv
import hashlib
import io
import multiprocessing
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from facetory.data import images
from facetory.data.index import Sample, image_path, read_index, write_csv
from facetory.faces import contact_sheet, crop, mtcnn
from facetory.faces.corrupt import CLEAN, corrupt, parse
from facetory.pipeline.files import FacetoryError, read_json, sha256_of, written_aside
from facetory.pipeline.provenance import code_of, manifest
from facetory.pipeline.sampling import balanced

COLUMNS = (
    *("sample_id", "split", "label", "person", "caption", "status", "faces", "probability"),
    *("x0", "y0", "x1", "y1", "sha256", "source_sha256", "corruption", "noise_seed"),
    *crop.POINTS,
)
CHUNK = 32
Row = dict[str, str]


class Job(NamedTuple):
    """One sample with its picture, the file its face goes to, and what the picture goes through before."""

    sample: Sample
    source: Path
    target: Path
    corruption: str
    noise_seed: int


def align(
    index_csv: Path | str,
    folder: Path | str,
    align_px: int = 512,
    margin: float = 0.15,
    selection: str = "largest",
    min_probability: float = 0.9,
    processes: int = 1,
    threads: int = 1,
    detection: mtcnn.Detection = mtcnn.Detection(),
    corruption: str = CLEAN,
    noise_seed: int = 0,
    images_per_class: int | None = None,
) -> None:
    """Align every image of an index into ``folder``: images/, ledger.csv, contact_sheet.png, manifest.json.

    ``ledger.csv`` has one row a sample, in the index's order.  ``x0, y0, x1, y1`` is the square that was cut,
    in pixels of the upright source picture (beyond its edges the edge pixels are repeated); ``faces`` counts
    the detected faces of at least ``min_probability``, ``probability`` is the chosen one's.  Landmarks are
    in pixels of the aligned image, and empty where ``status`` is kept_whole: there no face was found, and the
    whole picture was kept.  Small pictures are enlarged for the detector only (`mtcnn.find_faces`).

    ``corruption`` is applied to each picture, at its own resolution, before faces are looked for in it
    (corrupt_then_align; `diffusion.encode` has the other order); ledger and manifest name it.  Of each class
    of each split ``images_per_class`` pictures are taken, the same as everywhere (all for None).

    Faces already there are kept when picture, settings and code are the same, so a run that was killed goes
    on where it stopped.  The faces do not depend on ``processes``; each runs torch on ``threads`` threads.
    """
    if selection not in crop.SELECTIONS:
        known = ", ".join(crop.SELECTIONS)
        raise FacetoryError(f"faces: selection {selection!r} is unknown. Choose one of {known}.")
    if align_px < 1 or margin < 0 or processes < 1 or threads < 1:
        raise FacetoryError("faces: align_px, processes and threads must be at least 1, margin at least 0.")
    parse(corruption)
    index_csv, folder = Path(index_csv), Path(folder)
    settings = crop.Alignment(align_px, margin, selection, min_probability, detection)
    samples = _part_of(read_index(index_csv), images_per_class)
    jobs = [
        Job(s, image_path(index_csv, s), folder / "images" / f"{s.sample_id}.png", corruption, noise_seed)
        for s in samples
    ]
    damage: dict[str, str | int] = (
        {"corruption": corruption, "noise_seed": noise_seed} if corruption != CLEAN else {}
    )
    signature = _signature(settings, damage)
    spec = {**settings._asdict(), "detection": detection._asdict(), "images_per_class": images_per_class}
    spec |= {"order": "corrupt_then_align", **damage} if damage else {"corruption": CLEAN}
    with manifest(folder / "manifest.json", "faces", spec, ["faces.align"], [index_csv]) as record:
        ledger = _faces(jobs, folder, settings, signature, processes, threads)
        record |= {
            "status": "aligned",
            "samples": len(ledger),
            "by_split": _by_split(ledger),
            "signature": signature,
            "outputs": {name: sha256_of(folder / name) for name in ("ledger.csv", "contact_sheet.png")},
        }
    _part(folder, signature).unlink()


def _faces(
    jobs: Sequence[Job],
    folder: Path,
    settings: crop.Alignment,
    signature: str,
    processes: int,
    threads: int,
) -> list[Row]:
    """Make the faces that are not there yet and write ledger and contact sheet; returns the ledger's rows."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    part = _part(folder, signature)
    earlier = {row["sample_id"]: row for row in _earlier_rows(folder, part, signature)}
    rows = {job.sample.sample_id: earlier[job.sample.sample_id] for job in jobs if _is_done(job, earlier)}
    write_csv(part, COLUMNS, ([row[column] for column in COLUMNS] for row in rows.values()))
    todo = [job for job in jobs if job.sample.sample_id not in rows]
    for chunk in _with_progress(
        _aligned(todo, settings, processes, threads), len(rows), len(jobs), folder.name
    ):
        _append(part, chunk)
        rows.update({row["sample_id"]: row for row in chunk})
    ledger = [rows[job.sample.sample_id] | _index_columns(job.sample) for job in jobs]
    _remove_strays(folder / "images", {job.target.name for job in jobs})
    write_csv(folder / "ledger.csv", COLUMNS, ([row[column] for column in COLUMNS] for row in ledger))
    contact_sheet.write(folder / "contact_sheet.png", ledger, folder / "images", folder.name)
    return ledger


def align_chunk(jobs: Sequence[Job], settings: crop.Alignment, threads: int) -> list[Row]:
    """Align some samples in this process and return their ledger rows; a broken picture is an error."""
    import torch

    torch.set_num_threads(threads)
    rows = []
    for job in jobs:
        picture = images.read_image(job.source)
        picture = corrupt(picture, job.corruption, job.sample.sample_id, job.noise_seed)
        face, row = crop.align_image(picture, settings)
        with written_aside(job.target, durable=False) as aside:
            Image.fromarray(face).save(aside, format="PNG", compress_level=4)
        hashes = {"sha256": sha256_of(job.target), "source_sha256": sha256_of(job.source)}
        made = row | hashes | {"corruption": job.corruption, "noise_seed": job.noise_seed}
        rows.append(_index_columns(job.sample) | {key: str(value) for key, value in made.items()})
    return rows


def _aligned(
    jobs: Sequence[Job], settings: crop.Alignment, processes: int, threads: int
) -> Iterator[list[Row]]:
    chunks = [jobs[i : i + CHUNK] for i in range(0, len(jobs), CHUNK)]
    if processes == 1 or len(chunks) < 2:
        yield from (align_chunk(chunk, settings, threads) for chunk in chunks)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, len(chunks)), mp_context=context) as pool:
        futures = [pool.submit(align_chunk, chunk, settings, threads) for chunk in chunks]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise FacetoryError(
                "faces: a worker process was killed (out of memory?). Run again with fewer processes; "
                "it goes on where it stopped."
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _with_progress(chunks: Iterable[list[Row]], done: int, total: int, name: str) -> Iterator[list[Row]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(f"aligning {name}", completed=done, total=total)
        for chunk in chunks:
            yield chunk
            progress.advance(task, len(chunk))


def _signature(settings: crop.Alignment, corruption: dict[str, str | int]) -> str:
    """Hash of the settings, the corruption ({} for none) and the code that turn a picture into a face."""
    code = code_of("faces.crop", "data.images", *(["faces.corrupt"] if corruption else []))
    return hashlib.sha256(repr((settings, *corruption.values(), code)).encode()).hexdigest()[:16]


def _part_of(samples: Sequence[Sample], images_per_class: int | None) -> list[Sample]:
    """A balanced part of each split, in the index's order."""
    kept: list[int] = []
    for split in {sample.split for sample in samples}:
        places = [i for i, sample in enumerate(samples) if sample.split == split]
        _, labels = np.unique([samples[i].label for i in places], return_inverse=True)
        chosen = balanced(labels, [samples[i].sample_id for i in places], images_per_class)
        kept += [places[i] for i in chosen]
    return [samples[i] for i in sorted(kept)]


def _part(folder: Path, signature: str) -> Path:
    """The rows of a run that has not ended yet."""
    return folder / f".ledger.{signature}.part.csv"


def _earlier_rows(folder: Path, part: Path, signature: str) -> list[Row]:
    """Ledger rows of an earlier run with the same signature, finished or killed (less a torn last line)."""
    texts, manifest, ledger = [], folder / "manifest.json", folder / "ledger.csv"
    if manifest.is_file() and ledger.is_file() and read_json(manifest).get("signature") == signature:
        texts.append(ledger.read_text(encoding="utf-8"))
    if part.is_file():
        texts.append(part.read_text(encoding="utf-8").rpartition("\n")[0])
    rows = [row for text in texts for row in csv.DictReader(io.StringIO(text, newline=""))]
    return [row for row in rows if set(row) == set(COLUMNS) and None not in row.values()]


def _is_done(job: Job, earlier: dict[str, Row]) -> bool:
    row = earlier.get(job.sample.sample_id)
    return (
        row is not None
        and job.target.is_file()
        and job.source.is_file()
        and row["sha256"] == sha256_of(job.target)
        and row["source_sha256"] == sha256_of(job.source)
    )


def _append(part: Path, rows: Sequence[Row]) -> None:
    with part.open("a", encoding="utf-8", newline="") as handle:
        csv.writer(handle, lineterminator="\n").writerows([row[c] for c in COLUMNS] for row in rows)


def _index_columns(sample: Sample) -> Row:
    return {
        "sample_id": sample.sample_id,
        "split": sample.split,
        "label": sample.label,
        "person": sample.person,
        "caption": sample.caption,
    }


def _remove_strays(folder: Path, wanted: set[str]) -> None:
    for path in folder.iterdir():
        if path.name not in wanted:
            path.unlink()


def _by_split(ledger: Sequence[Row]) -> dict[str, dict[str, int]]:
    tally = Counter((row["split"], row["status"]) for row in ledger)
    splits = dict.fromkeys(row["split"] for row in ledger)
    return {split: {status: tally[split, status] for status in ("aligned", "kept_whole")} for split in splits}
