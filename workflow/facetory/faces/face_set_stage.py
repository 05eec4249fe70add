"""The stage from a dataset's aligned faces to a face set: turned to the template, by identity."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np

from facetory.data.catalogue import entries
from facetory.data.index import read_csv
from facetory.faces.face_set import file_entry, natural, write_face_file
from facetory.faces.spec import FaceSetSpec
from facetory.faces.views import COLUMNS, Row, choose, read_face
from facetory.pipeline.files import FacetoryError, read_json, sha256_of, write_json
from facetory.pipeline.fingerprint import fingerprint
from facetory.pipeline.provenance import manifest
from facetory.pipeline.randomness import sample_keys, stream_key, uniform

FILE, CHUNK = 10_000, 50
"""Faces in a file at most, and in a worker's task."""
Numbered = list[tuple[int, int, Row]]
"""(identity, image, the face's row of the ledger) of each face, in this order."""


def make_face_set(spec: FaceSetSpec, ledger: Path | str, folder: Path | str, processes: int = 1) -> None:
    """Write the face set of a ledger of aligned faces: faces-0.safetensors … and manifest.json.

    An identity is a person, or a face alone where the dataset names none; identities and their images are
    numbered in the natural order of their names, after ``people`` and ``images`` are chosen by seed and name.
    Split "all" is every split.
    Each face is turned to the template on its own (`template.align_face`), so the set does not depend on
    ``processes``.  With alignment "none" those count as found that were when the ledger was made.  Files that
    a killed run finished are kept.
    """
    ledger, folder = Path(ledger), Path(folder)
    made_by = ("face set", spec.canonical(), ["faces.face_set_stage"], [ledger])
    with manifest(folder / "manifest.json", *made_by, seed=spec.seed) as record:
        rows, names = numbered(rows_of(ledger, spec.split), spec)
        done = _finished(folder, fingerprint(record))
        for first in range(0, len(rows), FILE):
            path = folder / f"faces-{first // FILE}.safetensors"
            if done["files"].get(path.name) is None:
                _write(path, rows[first : first + FILE], names, ledger.parent, spec, processes)
                done["files"][path.name] = sha256_of(path)
                write_json(_part(folder), done)
        paths = [folder / f"faces-{place}.safetensors" for place in range(-(-len(rows) // FILE))]
        known = entries().get(spec.dataset)
        record |= {
            "status": "gathered",
            "files": [file_entry(folder, path) for path in paths],
            "identities": len(names),
            "images": len(rows),
            "px": spec.px,
            "alignment": spec.alignment,
            "about": {
                "dataset": spec.dataset,
                "split": spec.split,
                "synthetic": False,
                "title": known.title if known else spec.dataset,
                "licence": known.licence if known else "the user's own",
            },
        }
    for stray in set(folder.glob("faces-*.safetensors")) - set(paths):
        stray.unlink()
    _part(folder).unlink(missing_ok=True)


def rows_of(ledger: Path, split: str) -> list[Row]:
    """A ledger's rows of one split, or of "all"."""
    if split != "all":
        return choose(ledger, split).rows
    rows = [row for _, row in read_csv(ledger, COLUMNS)]
    if not rows:
        raise FacetoryError(f"{ledger}: lists no face. Align the dataset again.")
    return rows


def numbered(rows: Sequence[Row], spec: FaceSetSpec) -> tuple[Numbered, dict[int, str]]:
    """The chosen rows with identity and image number, and the identities' names by number."""
    people: dict[str, list[Row]] = {}
    for row in rows:
        people.setdefault(row["person"] or row["sample_id"], []).append(row)
    kept = {name: people[name] for name in _drawn(list(people), spec.people, spec.seed, "people")}
    names = dict(enumerate(sorted(kept, key=natural)))
    result = []
    for number, name in names.items():
        own = {row["sample_id"]: row for row in kept[name]}
        ids = sorted(_drawn(list(own), spec.images, spec.seed, "images"), key=natural)
        result += [(number, image, own[sample_id]) for image, sample_id in enumerate(ids)]
    return result, names


def _drawn(names: list[str], count: int | None, seed: int, purpose: str) -> list[str]:
    """``count`` of the names (all for None), each by a draw of its own."""
    draw = uniform(stream_key(seed, "face set", purpose), sample_keys(names), 0, 1)[:, 0]
    return [names[place] for place in np.argsort(draw, kind="stable")[:count]]


def _write(
    path: Path, rows: Numbered, names: dict[int, str], source: Path, spec: FaceSetSpec, processes: int
) -> None:
    """Write one file of the set."""
    chunks = [[row for *_, row in rows[i : i + CHUNK]] for i in range(0, len(rows), CHUNK)]
    faces = np.empty((len(rows), 3, spec.px, spec.px), dtype=np.uint8)
    found = np.empty(len(rows), dtype=bool)
    for place, made in enumerate(_turned(chunks, source, spec, processes, path.stem)):
        part = slice(place * CHUNK, place * CHUNK + len(made[1]))
        faces[part], found[part] = made
    identity, image = ([row[column] for row in rows] for column in (0, 1))
    sample_ids = [row["sample_id"] for *_, row in rows]
    write_face_file(path, faces, np.array(identity), np.array(image), found, names, sample_ids)


def _turned(
    chunks: list[list[Row]], source: Path, spec: FaceSetSpec, processes: int, name: str
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The faces and whether they were found, chunk by chunk, by ``processes`` workers."""
    from rich.console import Console
    from rich.progress import track

    tasks = [(chunk, source, spec.px, spec.alignment) for chunk in chunks]
    shown: dict[str, Any] = {"description": f"{spec.dataset} {name}", "total": len(tasks)}
    shown["console"] = Console(stderr=True)
    if processes == 1:
        yield from track(map(turn, tasks), **shown)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, len(tasks)), mp_context=context) as pool:
        try:
            yield from track(pool.map(turn, tasks), **shown)
        except BrokenProcessPool as error:
            raise FacetoryError(
                "face set: a worker process was killed (out of memory?). Run again with fewer processes; it "
                "goes on where it stopped."
            ) from error


def turn(task: tuple[list[Row], Path, int, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The faces of some rows of the ledger in a folder, uint8 (n, 3, px, px), and whether each was found."""
    from facetory.faces.template import align_face

    rows, source, px, alignment = task
    if alignment != "none":
        import torch

        torch.set_num_threads(1)  # rounding would depend on it
    faces, found = [], []
    for row in rows:
        face, seen = align_face(read_face(source, row), px, alignment)
        faces.append(face.transpose(2, 0, 1))
        found.append(seen and not (alignment == "none" and row.get("status") == "kept_whole"))
    return np.stack(faces), np.array(found)


def _part(folder: Path) -> Path:
    return folder / ".finished.json"


def _finished(folder: Path, key: str) -> dict[str, Any]:
    """The files that an earlier run of the same request finished, by hash."""
    earlier = read_json(_part(folder)) if _part(folder).is_file() else {}
    files = earlier.get("files", {}) if earlier.get("key") == key else {}
    whole = {
        name: sha256
        for name, sha256 in files.items()
        if (folder / name).is_file() and sha256_of(folder / name) == sha256
    }
    return {"key": key, "files": whole}
