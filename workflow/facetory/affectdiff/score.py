"""Scoring a recognizer: its log-probabilities on the validation split, and on the test split as corrupted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from facetory.affectdiff.batches import Corpus, load
from facetory.affectdiff.corruptions import corrupted
from facetory.affectdiff.networks import load_recognizer
from facetory.affectdiff.records import Records, write_records
from facetory.affectdiff.spec import CLASSES, ScoreSpec
from facetory.pipeline.files import read_json, sha256_of
from facetory.pipeline.provenance import manifest

RECORDS = "records.safetensors"


def score_recognizer(
    spec: ScoreSpec,
    recognizer: Path | str,
    segments: Path | str,
    folder: Path | str,
    device: str = "cpu",
) -> None:
    """Score a trained recognizer (its folder): records.safetensors and manifest.json in ``folder``.

    A recognizer whose training failed is not scored: the manifest has status "not_run" and the reason.
    Log-probabilities that are not finite are a `FacetoryError`.
    """
    folder, recognizer = Path(folder), Path(recognizer)
    result, manifest_path = folder / RECORDS, folder / "manifest.json"
    for stale in (result, manifest_path):
        stale.unlink(missing_ok=True)
    trained = read_json(recognizer / "manifest.json")
    ready = trained["status"] == "trained"
    with manifest(
        manifest_path,
        "affectdiff score",
        spec.canonical(),
        ["affectdiff.score"],
        [segments, *([recognizer / "weights.safetensors"] if ready else [])],
        device,
        spec.noise_seed,
    ) as record:
        if not ready:
            record |= {"status": "not_run", "reason": f"its training failed: {trained['reason']}"}
            return
        torch.set_num_threads(spec.threads)
        model, train, normalisation = load_recognizer(recognizer, device)
        corpus = load(segments, train, device, normalisation)
        records = scored(model, corpus, spec)
        write_records(result, records)
        record |= {
            "status": "scored",
            "segments": {"validation": len(records.validation_labels), "test": len(records.test_labels)},
            "outputs": {result.name: sha256_of(result)},
        }


def scored(model: nn.Module, corpus: Corpus, spec: ScoreSpec) -> Records:
    """The records of a model on a corpus; labels are written down, and nothing else depends on them."""
    validation, test = corpus.parts["validation"], corpus.parts["test"]
    under = [log_probabilities(model, corpus, test, spec, condition) for condition in spec.conditions]
    return Records(
        validation=log_probabilities(model, corpus, validation, spec),
        test=np.stack(under),
        validation_labels=corpus.labels[validation],
        test_labels=corpus.labels[test],
        test_sentiment=corpus.sentiment[test].astype(np.float32),
        validation_segments=[corpus.segment_ids[i] for i in validation],
        validation_videos=[corpus.videos[i] for i in validation],
        test_segments=[corpus.segment_ids[i] for i in test],
        test_videos=[corpus.videos[i] for i in test],
        conditions=list(spec.conditions),
        classes=list(CLASSES[spec.train.task]),
        task=spec.train.task,
        spec=spec.model_dump(mode="json"),
    )


@torch.inference_mode()
def log_probabilities(
    model: nn.Module, corpus: Corpus, positions: np.ndarray, spec: ScoreSpec, condition: str = "clean"
) -> np.ndarray:
    """log p(c|x) of some segments under a condition, (n, K) float32."""
    model.eval()
    released = spec.train.reading == "code"
    found = []
    for first in range(0, len(positions), spec.batch_size):
        at = positions[first : first + spec.batch_size]
        names = [corpus.segment_ids[i] for i in at]
        batch = corrupted(corpus.batch(at), condition, names, spec.noise_seed, released)
        found.append(model(batch.streams, batch.mask).float().log_softmax(1).cpu().numpy())
    return np.concatenate(found)
