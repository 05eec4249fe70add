"""Separability: how surely a recogniser tells the people of a face set apart (AdaptDiff, Table 3)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facetory.adaptdiff.separation import Separation, separation
from facetory.adaptdiff.spec import SeparabilitySpec
from facetory.faces.face_set import FaceSet, first_of, read_face_set, read_folder
from facetory.faces.spec import Alignment
from facetory.pipeline.files import FacetoryError, read_json, sha256_of, write_tensors
from facetory.pipeline.provenance import manifest
from facetory.recognition.face_spec import Embedder
from facetory.recognition.judges_catalogue import identity_weights


def measure_separability(
    spec: SeparabilitySpec,
    faces: Path | str,
    folder: Path | str,
    device: str = "cpu",
    data_root: Path | str = "data",
) -> None:
    """Measure a face set, whose manifest is ``faces``: records.safetensors and manifest.json in ``folder``.

    The first ``spec.identities`` of which the detector found ``spec.images`` faces are compared, by the first
    of these; where fewer people have as many, those that do, and the manifest's ``note`` says so.  A set that
    was not gathered, or in which not even two do, gives status "not_run" with the reason; a judge that is not
    placed is a `FacetoryError`.
    """
    import torch
    from threadpoolctl import threadpool_limits

    faces, folder = Path(faces), Path(folder)
    result = folder / "records.safetensors"
    result.unlink(missing_ok=True)
    path, code = folder / "manifest.json", ["adaptdiff.separability"]
    inputs = [faces, identity_weights(spec.judge, data_root)]
    with manifest(path, "separability", spec.canonical(), code, inputs, device, spec.seed) as record:
        made = read_json(faces)
        if made["status"] != "gathered":
            record |= {"status": "not_run", "reason": f"{faces.parent.name}: {made['reason']}"}
            return
        torch.set_num_threads(spec.threads)
        shown, rows = first_complete(faces, spec.identities, spec.images)
        people = len(rows) // spec.images
        short = f"{people} of the {spec.identities} people asked for have {spec.images} faces"
        if people < 2:
            record |= {"status": "not_run", "reason": f"{faces.parent.name}: {short}; two are needed"}
            return
        with threadpool_limits(spec.threads):
            found = separation(shown, rows, spec.judge, spec.impostor_share, spec.seed, device, data_root)
        write_tensors(result, found.records, {"about": shown.about, "spec": spec.model_dump(mode="json")})
        record |= {"status": "measured", **found.about, "outputs": {result.name: sha256_of(result)}}
        if people < spec.identities:
            record["note"] = short


def separability_of_folder(
    folder: Path | str,
    judge: Embedder,
    px: int = 112,
    alignment: Alignment = "mtcnn",
    identities: int | None = None,
    images: int | None = None,
    share: float = 1.0,
    seed: int = 0,
    device: str = "cpu",
    data_root: Path | str = "data",
) -> Separation:
    """The separability of any folder with a folder of pictures per identity.

    Of the first ``identities`` that have ``images`` pictures these are compared, without numbers all of them.
    ``records`` has the histogram (``edges``, ``genuine_counts``, ``impostor_counts``), ``about`` the metrics.
    """
    shown = read_folder(folder, px, alignment)
    rows = complete(shown, identities, images)
    counts = np.bincount(shown.identity[rows])
    if (counts >= 2).sum() < 2:
        raise FacetoryError(
            f"{folder}: fewer than two people have {max(images or 2, 2)} pictures; two are needed, with two "
            "pictures each at least. Give more pictures, or compare fewer images of each."
        )
    return separation(shown, rows, judge, share, seed, device, data_root)


def first_complete(faces: Path, identities: int, images: int) -> tuple[FaceSet, np.ndarray]:
    """A face set and `complete` of it; only the first identities' files are read where they suffice."""
    shown = read_face_set(faces, identities)
    rows = complete(shown, identities, images)
    if len(rows) < identities * images:
        shown = read_face_set(faces)
        rows = complete(shown, identities, images)
    return shown, rows


def complete(shown: FaceSet, identities: int | None, images: int | None) -> np.ndarray:
    """Positions of the first ``images`` found faces of the first ``identities`` that have as many.

    They are sorted by (identity, image).  None stands for all.
    """
    found = np.flatnonzero(shown.found)
    counts = np.bincount(shown.identity[found], minlength=len(shown.names))
    found = found[counts[shown.identity[found]] >= (images or 1)]
    return found[first_of(shown.identity[found], shown.image[found], identities, images)]
