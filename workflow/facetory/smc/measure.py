"""What edits changed and what they kept, measured by networks that had no part in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facetory.pipeline.files import (
    FacetoryError,
    open_tensors,
    read_json,
    read_metadata,
    sha256_of,
    write_tensors,
)
from facetory.pipeline.provenance import manifest
from facetory.recognition.guide import Guide, load_guide
from facetory.smc.batches import in_fixed_batches
from facetory.smc.realism import realism
from facetory.smc.spec import EditSpec, MeasureSpec


def measure_smc(
    spec: MeasureSpec,
    edit_folder: Path | str,
    guide_folder: Path | str,
    judge_folder: Path | str,
    folder: Path | str,
    data_root: Path | str = "data",
    device: str = "cpu",
) -> None:
    """Measure the edits of a folder: measures.safetensors and manifest.json in ``folder``.

    One row a face: ``guide_target`` and ``judge_target``, the probability of the target on the edit;
    ``judge_source`` and ``judge_edited`` (n, K) on the autoencoder's reconstruction and on the edit;
    ``eligible`` where the judge's class of the reconstruction is not the target, ``flipped`` where that of
    the edit is; ``realism``; ``identity`` and ``distance``, the cosine of embeddings and the perceptual
    distance of source and edit, ``identity_reconstruction`` and ``distance_reconstruction`` of source and
    reconstruction, which no edit can be expected to pass; ``features_source`` and ``features_edited`` (n, d).

    Edits that were not made, and a judge whose training failed, give a manifest of status "not_run" with the
    reason.  A target that the judge does not know, and networks that are not placed, are a `FacetoryError`.
    """
    edit_folder, judge_folder, folder = Path(edit_folder), Path(judge_folder), Path(folder)
    result, manifest_path = folder / "measures.safetensors", folder / "manifest.json"
    for stale in (result, manifest_path):
        stale.unlink(missing_ok=True)
    made = {path: read_json(path / "manifest.json") for path in (edit_folder, judge_folder)}
    inputs = [path / file for path, about in made.items() for file in about.get("outputs", {})]
    with manifest(
        manifest_path, "smc measure", spec.canonical(), ["smc.measure"], inputs, device, spec.edit.seed
    ) as record:
        for path, about in made.items():
            if about["status"] not in ("edited", "trained"):
                record |= {"status": "not_run", "reason": f"{path.name}: {about['reason']}"}
                return
        torch.set_num_threads(spec.threads)
        path = edit_folder / "edits.safetensors"
        with open_tensors(path) as handle:
            edits = {name: handle.get_tensor(name) for name in NEEDED}
        about = read_metadata(path)
        judge = load_guide(judge_folder, spec.judge, device)
        targets = [about["guide_classes"][target] for target in edits["targets"]]
        pictures = (edits["reconstructions"], edits["edited"])
        arrays = judged(judge, targets, *pictures, spec.edit.batch_rows, spec.judge.id)
        arrays["guide_target"] = _guide_target(spec.edit, guide_folder, edits, targets, device)
        arrays["realism"] = realism(edits["edited"]).astype(np.float32)
        arrays |= compared(spec, edits, data_root, device)
        whose = {key: about[key] for key in ("sample_ids", "persons")}
        networks = {
            "judge_classes": list(judge.classes),
            "features": spec.features,
            "identity": spec.identity,
        }
        write_tensors(result, arrays, {**whose, **networks, "spec": spec.model_dump(mode="json")})
        record |= {"status": "measured", "faces": len(targets), "outputs": {result.name: sha256_of(result)}}


NEEDED = ("sources", "reconstructions", "edited", "targets", "guide_scores", "chosen")
"""What is read of edits.safetensors."""


def judged(
    judge: Guide,
    targets: Sequence[str],
    reconstructions: np.ndarray,
    edited: np.ndarray,
    batch_rows: int = 16,
    name: str = "judge",
) -> dict[str, np.ndarray]:
    """The judge's probabilities of reconstructions and edits, and where its class became the target."""
    if judge.view != "faces":
        raise FacetoryError(f"{name}: a judge has to see faces, not latents. Name another judge.")
    if strangers := sorted(set(targets) - set(judge.classes)):
        raise FacetoryError(
            f"{name}: the judge does not know {', '.join(strangers)}; its classes are "
            f"{', '.join(judge.classes)}. Edit towards one of those, or name a judge that knows the target."
        )
    columns = np.array([judge.classes.index(target) for target in targets])
    before, after = (probabilities(judge, images, batch_rows) for images in (reconstructions, edited))
    return {
        "judge_source": before,
        "judge_edited": after,
        "judge_target": after[np.arange(len(columns)), columns],
        "eligible": before.argmax(1) != columns,
        "flipped": after.argmax(1) == columns,
    }


def probabilities(guide: Guide, images: np.ndarray, batch_rows: int) -> np.ndarray:
    """A guide's p(c|x), (n, K) float32, of RGB pictures uint8 (n, 3, h, w)."""
    with torch.inference_mode():
        found = in_fixed_batches(guide.log_probabilities, torch.from_numpy(images), batch_rows)
    return found.exp().cpu().numpy()


def _guide_target(
    spec: EditSpec, folder: Path | str, edits: dict[str, np.ndarray], targets: Sequence[str], device: str
) -> np.ndarray:
    """The guide's probability of the target on the edit, (n,); on its latents where it sees those."""
    rows = np.arange(len(targets))
    if spec.guide.view == "latents":
        return edits["guide_scores"][rows, edits["chosen"]]
    guide = load_guide(folder, spec.guide, device)
    found = probabilities(guide, edits["edited"], spec.batch_rows)
    return found[rows, [guide.classes.index(target) for target in targets]]


def compared(
    spec: MeasureSpec, edits: dict[str, np.ndarray], data_root: Path | str, device: str
) -> dict[str, Any]:
    """Identity, perceptual distance and features of sources against edits and reconstructions."""
    from facetory.recognition.features import feature_network
    from facetory.recognition.identity import cosine, embedder

    pictures = [edits[name] for name in ("sources", "edited", "reconstructions")]
    embed = embedder(spec.identity, device, data_root)
    source, edited, reconstruction = (embed(images) for images in pictures)
    features, distances = feature_network(spec.features, device, data_root).compare(*pictures)
    return {
        "identity": cosine(source, edited),
        "identity_reconstruction": cosine(source, reconstruction),
        "distance": distances[0],
        "distance_reconstruction": distances[1],
        "features_source": features[0],
        "features_edited": features[1],
    }
