"""The stage that makes a verification benchmark: pairs of faces in folds, or IJB-C's pairs of templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from facetory.data import ijbc
from facetory.data.catalogue import entries
from facetory.data.verification_bin import SHA256, read_bin
from facetory.faces.face_set import read_face_set
from facetory.faces.pairs import draw_pairs
from facetory.metrics.folds import kfold
from facetory.pipeline.files import (
    FacetoryError,
    open_tensors,
    read_json,
    read_metadata,
    sha256_of,
    write_tensors,
)
from facetory.pipeline.provenance import manifest
from facetory.pipeline.suggest import unknown
from facetory.recognition.face_spec import BenchmarkSpec

FILE = "pairs.safetensors"


def make_benchmark(spec: BenchmarkSpec, folder: Path | str, source: Path | str) -> None:
    """Write pairs.safetensors and manifest.json into ``folder``.

    ``source`` is, by the spec's protocol, the `.bin` file, the manifest of a face set, or the folder of
    IJB-C.  Pairs of faces are ``images`` uint8 (2n, 3, px, px), pair i is images 2i and 2i + 1, ``same`` bool
    (n,), ``fold`` int64 (n,) and ``face`` int64 (2n,), which numbers the distinct images; the metadata's
    ``people`` are the two of each pair, or None where they are not known.  IJB-C is a `data.ijbc.Protocol`;
    its pictures stay where they are.  The manifest has the number of ``pairs``, and of those that were
    ``asked`` for.  A face set that was not gathered gives one of status "not_run" with the reason.
    """
    folder, source = Path(folder), Path(source)
    path = folder / FILE
    path.unlink(missing_ok=True)
    inputs = [source / text for text in ijbc.TEXTS] if spec.protocol == "ijbc" else [source]
    for missing in (item for item in inputs if not item.is_file()):
        raise FacetoryError(f"{spec.dataset}: {missing} is missing. Place it there, or make it.")
    with manifest(
        folder / "manifest.json",
        "benchmark",
        spec.canonical(),
        ["recognition.benchmark"],
        inputs,
        seed=spec.seed,
    ) as record:
        if spec.protocol == "pairs" and (about := read_json(source))["status"] != "gathered":
            record |= {"status": "not_run", "reason": f"{spec.dataset}: {about['reason']}"}
            return
        write = {"bin": _from_bin, "pairs": _from_faces, "ijbc": _from_ijbc}[spec.protocol]
        known = entries().get(spec.dataset)
        record |= {
            "status": "read",
            "title": known.title if known else spec.dataset,
            "licence": known.licence if known else "the user's own",
            "stand_in_of": None,
            **write(spec, source, path),
            "outputs": {path.name: sha256_of(path)},
        }


def read_ijbc(path: Path | str) -> ijbc.Protocol:
    """IJB-C's protocol as `make_benchmark` wrote it."""
    with open_tensors(path) as handle:
        parts = {name: handle.get_tensor(name) for name in ijbc.Protocol._fields[1:]}
    return ijbc.Protocol(read_metadata(path)["names"], **parts)


def _from_bin(spec: BenchmarkSpec, source: Path, path: Path) -> dict[str, Any]:
    if spec.dataset not in SHA256:
        raise unknown("verification set", spec.dataset, SHA256, "benchmark")
    pairs = read_bin(source, spec.px)
    count = len(pairs.same)
    write_tensors(path, {**pairs._asdict(), "fold": kfold(count, spec.folds)}, {"people": None})
    return {"pairs": count, "asked": count, "people": None, "folds": spec.folds}


def _from_faces(spec: BenchmarkSpec, source: Path, path: Path) -> dict[str, Any]:
    faces = read_face_set(source)
    if faces.px != spec.px:
        raise FacetoryError(f"{source}: its faces have {faces.px} px, the benchmark {spec.px}. Change one.")
    drawn = draw_pairs(faces.identity, faces.image, spec.pairs, spec.folds, spec.seed)
    rows = np.stack([drawn.first, drawn.second], axis=1)
    people = [[faces.names[i] for i in pair] for pair in faces.identity[rows].tolist()]
    images = faces.pixels(rows)
    tensors = {"images": images, "same": drawn.same, "face": rows.ravel(), "fold": drawn.fold}
    write_tensors(path, tensors, {"people": people})
    return {
        "pairs": len(rows),
        "asked": spec.pairs,
        "people": len(np.unique(faces.identity[rows])),
        "folds": spec.folds,
    }


def _from_ijbc(spec: BenchmarkSpec, source: Path, path: Path) -> dict[str, Any]:
    protocol = ijbc.read_protocol(source)
    tensors = protocol._asdict()
    write_tensors(path, tensors, {"names": tensors.pop("names")})
    found = {
        "faces": len(protocol.names),
        "templates": int(protocol.template.max()) + 1,
        "pairs": len(protocol.same),
    }
    return {**found, "as_published": found == ijbc.PUBLISHED, "people": None, "folds": None}
