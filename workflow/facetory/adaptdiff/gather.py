"""From shards to a face set: the first identities of the pool that are complete."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from facetory.adaptdiff.shards import candidates
from facetory.adaptdiff.spec import SynthesisSpec
from facetory.data.catalogue import entries
from facetory.faces.face_set import PARTS, FaceSet, file_entry, read_face_set, write_face_file
from facetory.faces.identity_sheet import write_sheet
from facetory.pipeline.files import FacetoryError, open_tensors, read_json, read_metadata
from facetory.pipeline.intact import intact
from facetory.pipeline.provenance import manifest

METHODS = {
    "none": "IDiff-Face",
    "constant": "NegFaceDiff",
    "linear": "AdaptDiff",
    "reverse": "reverse-adaptive",
}
SHOWN = {"identities": 12, "images": 10}
"""What the contact sheet shows at most."""


def gather(spec: SynthesisSpec, shards: Sequence[Path | str], folder: Path | str) -> None:
    """Write manifest.json and contact_sheet.png of the face set whose ``shards`` (folders) are given.

    The set's files are those of the shards where they lie, below ``folder``; of the one shard in which the
    last kept identity lies, a copy that ends with it.  The manifest counts what was drawn.  Of shards that
    failed or did not run there is no set, nor of too few complete identities (status "failed", the reason);
    shards of another spec, or that leave a part of the pool out, are a `FacetoryError`.
    """
    folder = Path(folder)
    path, sheet, cut = (folder / name for name in ("manifest.json", "contact_sheet.png", "cut.safetensors"))
    for stale in (path, sheet, cut):
        stale.unlink(missing_ok=True)
    paths = [Path(shard) / "manifest.json" for shard in shards]
    made_by = ("adaptdiff gather", spec.canonical(), ["adaptdiff.gather"], paths)
    with manifest(path, *made_by, seed=spec.seed) as record:
        parts = _ordered(spec, paths)
        record["about"] = about(spec)
        if stopped := [part for _, part in parts if part["status"] != "generated"]:
            status = "failed" if any(part["status"] == "failed" for part in stopped) else "not_run"
            record |= {"status": status, "reason": stopped[0]["reason"]}
            return
        names = ("drawn", "found", "replaced", "dropped")
        record["counts"] = {name: sum(part["counts"][name] for _, part in parts) for name in names}
        complete = [identity for _, part in parts for identity in part["complete"]]
        if len(complete) < spec.identities:
            record |= {"status": "failed", "reason": _too_few(spec, len(complete))}
            return
        kept = set(complete[: spec.identities])
        files = [_file(place.parent, part["complete"], kept, cut) for place, part in parts]
        record |= {
            "status": "gathered",
            "files": [file_entry(folder, file) for file in files if file],
            "identities": spec.identities,
            "images": spec.images,
            "px": spec.px,
            "alignment": spec.alignment,
        }
    write_sheet(sheet, by_name(read_face_set(path, **SHOWN)), f"Synthetic faces: {about(spec)['title']}")


def about(spec: SynthesisSpec) -> dict[str, Any]:
    """What a synthetic set says of itself; it falls under the terms of what its generator learnt from."""
    guidance, sampler, generator = spec.guidance, spec.sampler, spec.generator
    how = "" if guidance.schedule == "none" else f" (w = {guidance.w_max:g}, {guidance.negative})"
    title = f"{METHODS[guidance.schedule]}{how}, {sampler.method.upper()} {sampler.steps}, learnt from "
    known = entries().get(generator.dataset)
    return {
        "dataset": spec.id,
        "split": "all",
        "synthetic": True,
        "title": title + generator.dataset,
        "licence": f"that of {known.title}: {known.licence}" if known else "the user's own",
    }


def by_name(faces: FaceSet) -> dict[str, Any]:
    """The images of each identity of a small set."""
    pixels = faces.pixels(range(len(faces.identity)))
    return {name: pixels[faces.identity == number] for number, name in enumerate(faces.names)}


def _ordered(spec: SynthesisSpec, paths: Iterable[Path]) -> list[tuple[Path, dict[str, Any]]]:
    """The shards' manifests in the order of their identities, which must leave no gap."""
    parts = sorted(((path, read_json(path)) for path in paths), key=lambda part: part[1]["range"])
    wanted, reached = json.loads(spec.canonical()), 0
    for path, part in parts:
        if part["spec"] != wanted:
            raise FacetoryError(f"{path}: the shard is of another request. Run its target again.")
        if part["range"][0] != reached:
            raise FacetoryError(
                f"{path}: begins at identity {part['range'][0]}, the shards before it end at {reached}. Give "
                "every shard of one division, each once."
            )
        reached = part["range"][1]
    if reached != candidates(spec):
        raise FacetoryError(
            f"{spec.id}: the shards end at identity {reached} of {candidates(spec)}. Give them all."
        )
    return parts


def _file(shard: Path, complete: list[int], kept: set[int], cut: Path) -> Path | None:
    """The file with a shard's kept identities: its own, or ``cut``; None where it has none."""
    chosen = [identity for identity in complete if identity in kept]
    if not chosen:
        return None
    whole = intact(shard / "images.safetensors")
    if len(chosen) == len(complete):
        return whole
    with open_tensors(whole) as handle:
        end = int((handle.get_tensor("identity") <= chosen[-1]).sum())
        images, identity, image, found = (handle.get_slice(name)[:end] for name in PARTS)
    names = {int(number): name for number, name in read_metadata(whole)["names"].items()}
    write_face_file(cut, images, identity, image, found, names)
    return cut


def _too_few(spec: SynthesisSpec, complete: int) -> str:
    return (
        f"of {candidates(spec)} identities {complete} have {spec.images} images in which the detector "
        f"finds a face; {spec.identities} are asked for. Allow more spare images, or fewer identities."
    )
