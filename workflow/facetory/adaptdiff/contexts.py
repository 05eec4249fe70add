"""Identity contexts: the embedding of every face of a set, and of its mirror image (AdaptDiff)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import compress
from pathlib import Path

import numpy as np

from facetory.adaptdiff.spec import ContextSpec
from facetory.faces.face_set import FaceSet, read_face_set
from facetory.pipeline.files import FacetoryError, read_json, sha256_of, write_tensors
from facetory.pipeline.provenance import manifest
from facetory.recognition.identity import embedder, in_full_batches
from facetory.recognition.judges_catalogue import identity_weights

Embed = Callable[[np.ndarray], np.ndarray]


def embed_contexts(
    spec: ContextSpec,
    faces: Path | str,
    folder: Path | str,
    device: str = "cpu",
    data_root: Path | str = "data",
) -> None:
    """Embed a face set, whose manifest is ``faces``: contexts.safetensors and manifest.json in ``folder``.

    ``contexts`` float32 (n, 2, d): unit embeddings of each face and of its mirror image, in the order of the
    metadata's ``sample_ids``.  Pictures in which the detector or the embedder found no face are left out: the
    metadata names them (``left_out``), the manifest counts them.  A set that was not gathered gives a
    manifest of status "not_run" with the reason; a network that is not placed, and a set without any face,
    are a `FacetoryError`.
    """
    import torch

    faces, folder = Path(faces), Path(folder)
    result = folder / "contexts.safetensors"
    result.unlink(missing_ok=True)
    inputs = [faces, identity_weights(spec.embedder, data_root)]
    with manifest(
        folder / "manifest.json", "contexts", spec.canonical(), ["adaptdiff.contexts"], inputs, device
    ) as record:
        about = read_json(faces)
        if about["status"] != "gathered":
            record |= {"status": "not_run", "reason": f"{faces.parent.name}: {about['reason']}"}
            return
        torch.set_num_threads(spec.threads)
        shown = read_face_set(faces)
        contexts = both_embedded(shown, embedder(spec.embedder, device, data_root))
        seen = shown.found & np.isfinite(contexts).all((1, 2))
        if not seen.any():
            raise FacetoryError(
                f"{faces}: detector and {spec.embedder} find a face in none of its {len(seen)} pictures. "
                "Look at them; if they are faces, choose another alignment or embedder."
            )
        sample_ids, left_out = (list(compress(shown.sample_ids, rows)) for rows in (seen, ~seen))
        names = {"sample_ids": sample_ids, "left_out": left_out}
        metadata = names | {"embedder": spec.embedder, "spec": spec.model_dump(mode="json")}
        write_tensors(result, {"contexts": contexts[seen]}, metadata)
        record |= {
            "status": "embedded",
            "faces": len(sample_ids),
            "left_out": len(left_out),
            "outputs": {result.name: sha256_of(result)},
        }


def both_embedded(shown: FaceSet, embed: Embed) -> np.ndarray:
    """Embeddings (n, 2, d) float32 of a set's faces and of their mirror images (`in_full_batches`)."""

    def both(pixels: np.ndarray) -> np.ndarray:
        return np.stack([embed(pixels), embed(np.ascontiguousarray(pixels[..., ::-1]))], 1)

    return in_full_batches(both, shown, np.arange(len(shown.identity)))
