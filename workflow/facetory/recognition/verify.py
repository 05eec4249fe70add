"""The stage that verifies: how well a recogniser, or a released embedder, tells people apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facetory.data.catalogue import entry, source_of
from facetory.data.verification_bin import read_bin
from facetory.metrics.folds import FoldAccuracy, accuracy, kfold, squared_distances
from facetory.metrics.tar import tar_at_far
from facetory.pipeline.files import open_tensors, read_json, read_metadata, sha256_of, write_tensors
from facetory.pipeline.intact import intact
from facetory.pipeline.provenance import manifest
from facetory.pipeline.suggest import unknown
from facetory.recognition import judges_catalogue
from facetory.recognition.benchmark import FILE, read_ijbc
from facetory.recognition.face_model import BATCH, WEIGHTS, Describe, load_face_recognizer
from facetory.recognition.face_spec import VerificationSpec
from facetory.recognition.templates import distinct_features, pair_scores, template_features

FARS = ("1e-5", "1e-4")
FOLDS = 10


class Verified(NamedTuple):
    """``accuracy`` on ``pairs`` pairs of ``title``, and each pair's squared ``distance`` (n,)."""

    title: str
    pairs: int
    accuracy: FoldAccuracy
    distance: np.ndarray


def verify(
    spec: VerificationSpec,
    model: Path | str | None,
    benchmark: Path | str,
    folder: Path | str,
    device: str = "cpu",
    data_root: Path | str = "data",
) -> None:
    """Verify on a benchmark (its folder): records.safetensors and manifest.json in ``folder``.

    ``model`` is the folder of a trained recogniser, None for a released embedder.  Records of pairs of faces
    are ``distance`` float32 (n,), squared L2 of unit features (NaN where no face was found, which is no
    match), ``same`` and ``fold``; of IJB-C, whose pictures are below ``data_root``, ``scores`` float32 and
    ``labels`` bool.  Metrics are shares of 1.  Where the benchmark was not made or the training failed, the
    manifest has status "not_run" and the reason.
    """
    import torch

    folder, benchmark = Path(folder), Path(benchmark)
    result = folder / "records.safetensors"
    result.unlink(missing_ok=True)
    reason = _reason(benchmark, model)
    with manifest(
        folder / "manifest.json",
        "verify",
        spec.canonical(),
        ["recognition.verify"],
        [] if reason else [intact(benchmark / FILE), _weights(spec, model, data_root)],
        device,
    ) as record:
        if reason:
            record |= {"status": "not_run", "reason": reason}
            return
        torch.set_num_threads(spec.threads)
        describe = recogniser(spec.model if model is None else model, device, data_root, spec.batch_size)
        measured = _on_templates if spec.benchmark.protocol == "ijbc" else _on_pairs
        tensors, found = measured(spec, describe, benchmark / FILE, data_root)
        write_tensors(result, tensors, {"spec": spec.model_dump(mode="json")})
        record |= {"status": "verified", **found, "outputs": {result.name: sha256_of(result)}}


def verify_bin(
    model: Path | str,
    path: Path | str,
    device: str = "cpu",
    data_root: Path | str = "data",
    batch_size: int = 128,
    sha256: str | None = None,
    px: int = 112,
) -> Verified:
    """Verify on a `.bin` file, by the folder of a recogniser or an embedder's name.

    ``sha256`` is the hash of a set of one's own (`verification_bin.read_bin`).
    """
    images, same, face = read_bin(path, px, sha256)
    describe = recogniser(model, device, data_root, batch_size)
    features = distinct_features(describe, images.__getitem__, face, batch_size)
    distance = squared_distances(features)
    return Verified(Path(path).stem, len(same), accuracy(distance, same, kfold(len(same), FOLDS)), distance)


def _on_pairs(
    spec: VerificationSpec, describe: Describe, path: Path, data_root: Path | str
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    people = read_metadata(path)["people"]
    with open_tensors(path) as handle:
        same, fold, face = (handle.get_tensor(name) for name in ("same", "fold", "face"))
        images = handle.get_slice("images")

        def read(rows: np.ndarray) -> np.ndarray:
            return np.concatenate([images[row : row + 1] for row in rows.tolist()])

        features = distinct_features(describe, read, face, spec.batch_size)
    distance = squared_distances(features)
    found = accuracy(distance, same, fold, people)
    return {"distance": distance, "same": same, "fold": fold}, {
        "pairs": len(same),
        "not_found": int(np.isnan(distance).sum()),
        "resampled": found.resampled,
        "metrics": {"accuracy": {**found.estimate._asdict(), "sd": found.sd}},
    }


def _on_templates(
    spec: VerificationSpec, describe: Describe, path: Path, data_root: Path | str
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    protocol, source = read_ijbc(path), source_of(entry(spec.benchmark.dataset), data_root)
    features = template_features(describe, protocol, source, spec.benchmark.px, spec.batch_size, spec.threads)
    scores, same = pair_scores(features, protocol.first, protocol.second), protocol.same
    return {"scores": scores, "labels": same}, {
        "pairs": len(same),
        "resampled": "pairs",
        "far": spec.far,
        "metrics": {
            f"tar@{far}": tar_at_far(scores[same], scores[~same], float(far), spec.far)._asdict()
            for far in FARS
        },
    }


def _reason(benchmark: Path, model: Path | str | None) -> str | None:
    """Why nothing can be verified, or None."""
    about = read_json(benchmark / "manifest.json")
    if about["status"] != "read":
        return f"its benchmark was not made: {about['reason']}"
    trained = read_json(Path(model) / "manifest.json") if model is not None else {"status": "trained"}
    return None if trained["status"] == "trained" else f"its training failed: {trained['reason']}"


def _weights(spec: VerificationSpec, model: Path | str | None, data_root: Path | str) -> Path:
    """The file of the network's weights, whole."""
    if model is not None:
        return intact(Path(model) / WEIGHTS)
    return judges_catalogue.identity_weights(str(spec.model), data_root)


def recogniser(model: Any, device: str, data_root: Path | str, batch_size: int = BATCH) -> Describe:
    """An embedder by its name, or a recogniser's folder, as a function from faces to raw features."""
    if str(model) in judges_catalogue.IDENTITY:
        from facetory.recognition.identity import describer

        return describer(str(model), device, data_root)
    if not Path(model).is_dir():
        raise unknown("model", str(model), judges_catalogue.IDENTITY, "verification: no folder of that name")
    return load_face_recognizer(model, device, batch_size)[0]
