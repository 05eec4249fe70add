"""The leakage audit: how near synthetic identities come to the people their generator learnt from.

Only names and cosines are written, no picture.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from facetory.adaptdiff.identities import sphere
from facetory.adaptdiff.separation import embedded
from facetory.adaptdiff.spec import AuditSpec, IdentitiesSpec
from facetory.faces.face_set import read_face_set
from facetory.pipeline.files import FacetoryError, open_tensors, read_json, read_metadata
from facetory.pipeline.intact import intact
from facetory.pipeline.provenance import manifest

ROWS = 1024
"""Training faces compared at once, each in two views."""
NEAREST = 10


def audit_leakage(
    spec: AuditSpec,
    faces: Path | str,
    contexts: Path | str,
    folder: Path | str,
    device: str = "cpu",
    data_root: Path | str = "data",
) -> None:
    """Compare a synthetic set, whose manifest is ``faces``, with what its generator learnt from.

    ``contexts`` is contexts.safetensors of the generator's training set, whose embedder embeds the synthetic
    faces too.  manifest.json in ``folder`` has `leakage`, and counts the faces in which the embedder saw none
    (``unseen``).  Where the set or the contexts are not there its status is "not_run", with the reason.
    """
    import torch

    faces, contexts, folder = Path(faces), Path(contexts), Path(folder)
    made = {"gathered": faces, "embedded": contexts.with_name("manifest.json")}
    inputs = [faces, contexts if contexts.exists() else made["embedded"]]
    made_by = ("adaptdiff audit", spec.canonical(), ["adaptdiff.audit"], inputs, device)
    with manifest(folder / "manifest.json", *made_by) as record:
        for status, path in made.items():
            if (found := read_json(path))["status"] != status:
                record |= {"status": "not_run", "reason": f"{path.parent.name}: {found['reason']}"}
                return
        torch.set_num_threads(spec.threads)
        shown = read_face_set(faces, images=spec.images)
        who = spec.synthesis.generator.contexts.embedder
        vectors = embedded(shown, np.arange(len(shown.identity)), who, device, data_root)
        seen = np.isfinite(vectors).all(1)
        if not seen.any():
            record |= {"status": "not_run", "reason": f"{who} finds a face in none of the synthetic images"}
            return
        record |= {
            "status": "audited",
            "unseen": int((~seen).sum()),
            "leakage": leakage(shown.names, shown.identity[seen], vectors[seen], intact(contexts))
            | {"asked": asked_for(spec.synthesis.pool, shown.names, contexts)},
        }


def leakage(names: list[str], whose: np.ndarray, vectors: np.ndarray, contexts: Path) -> dict[str, Any]:
    """The audit's numbers, of embeddings (m, d) of identities ``whose`` (m,), which index ``names``.

    Over the ``n`` identities the mean, the 99th percentile and the greatest of the cosines with the nearest
    training face (`nearest_training`), and the ten ``nearest`` as [identity's name, training sample's id,
    cosine].  An identity counts with the one of its images that comes nearest to anybody.
    """
    sample_ids = read_metadata(contexts)["sample_ids"]
    with open_tensors(contexts) as handle:
        training = handle.get_slice("contexts")
        if training.get_shape()[2] != vectors.shape[1]:
            raise FacetoryError(
                f"{contexts}: vectors of {training.get_shape()[2]} components, the embedder's have "
                f"{vectors.shape[1]}. Give the contexts of the set's own generator."
            )
        cosine, face = nearest_training(vectors, training)
    order = np.lexsort((-cosine, whose))
    first = order[np.unique(whose[order], return_index=True)[1]]
    far_first = first[np.argsort(-cosine[first], kind="stable")]
    own = cosine[first].astype(float)
    return {
        "mean": round(float(own.mean()), 6),
        "p99": round(float(np.percentile(own, 99)), 6),
        "max": round(float(own.max()), 6),
        "n": len(own),
        "nearest": [
            [names[whose[row]], sample_ids[face[row]], round(float(cosine[row]), 6)]
            for row in far_first[:NEAREST]
        ],
    }


def asked_for(pool: IdentitiesSpec, names: list[str], contexts: Path) -> float:
    """The mean of the same cosine for the contexts that the identities were drawn from: how near to training
    faces uniform points on this sphere lie, whatever a generator makes of them."""
    wanted = sphere(pool.count, pool.size, pool.seed)[[int(name) for name in names]]
    with open_tensors(contexts) as handle:
        cosine, _ = nearest_training(wanted, handle.get_slice("contexts"))
    return round(float(cosine.mean()), 6)


def nearest_training(vectors: np.ndarray, training: Any, rows: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Of unit vectors (m, d) the greatest cosine with any training face or its mirror image, and which face.

    ``training`` (n, 2, d) is an array or a safetensors slice, read ``rows`` faces at a time.  Returns float32
    and int64, each (m,); the lowest face among equals.
    """
    count = training.get_shape()[0] if hasattr(training, "get_shape") else len(training)
    cosine, face = np.full(len(vectors), -np.inf, np.float32), np.zeros(len(vectors), np.int64)
    for start in range(0, count, rows):
        block = np.asarray(training[start : min(start + rows, count)])
        both = np.maximum(vectors @ block[:, 0].T, vectors @ block[:, 1].T)
        best = both.argmax(1)
        found = both[np.arange(len(both)), best]
        closer = found > cosine
        cosine[closer], face[closer] = found[closer], start + best[closer]
    return cosine, face
