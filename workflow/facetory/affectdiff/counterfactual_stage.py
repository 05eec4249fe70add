"""The counterfactual stage: a recognizer and test segments in, what would have been otherwise out."""

from __future__ import annotations

from pathlib import Path

import torch

from facetory.affectdiff.batches import load
from facetory.affectdiff.counterfactual_answers import answers, examples
from facetory.affectdiff.networks import load_recognizer
from facetory.affectdiff.spec import CLASSES, CounterfactualSpec
from facetory.pipeline.files import read_json, sha256_of, write_tensors
from facetory.pipeline.provenance import manifest

RECORDS = "records.safetensors"


def counterfact(
    spec: CounterfactualSpec,
    recognizer: Path | str,
    segments: Path | str,
    folder: Path | str,
    device: str = "cpu",
) -> None:
    """Ask a recognizer both questions: records.safetensors and manifest.json in ``folder``.

    Arrays, n test segments, K classes, L positions (modalities are text, audio, video):
    ``logits_source`` (n, K); ``logits_roundtrip`` (n, K), ``logits_counterfactual`` (n, K, K) with the target
    on axis 1 (the predicted class holds the round trip), ``delta_norm`` (n, K), ``delta_by_position`` (n, K,
    L) float16; ``coalitions`` (n, 8), the log-odds of the predicted class on `attribution.COALITIONS`,
    ``attribution`` (n, 3), their Shapley values; ``graph_weights`` (n, 3); ``swap_logits`` (n, 3, K),
    ``swap_donors`` (n, 3) rows of this file (−1: nobody, the logits are NaN); ``labels`` (n,), for grouping
    results: nothing else depends on them.

    A model without a prior answers the second question alone, one whose training failed neither: the
    manifest's ``questions`` say so, with the reason.
    """
    folder, recognizer = Path(folder), Path(recognizer)
    result, manifest_path = folder / RECORDS, folder / "manifest.json"
    for stale in (result, manifest_path):
        stale.unlink(missing_ok=True)
    trained = read_json(recognizer / "manifest.json")
    inputs = [segments, *(recognizer / name for name in trained.get("outputs", {}))]
    with manifest(
        manifest_path,
        "affectdiff counterfact",
        spec.canonical(),
        ["affectdiff.counterfactual_stage"],
        inputs,
        device,
        spec.seed,
    ) as record:
        if trained["status"] != "trained":
            reason = f"{recognizer.name}: its training failed: {trained['reason']}"
            record |= {"status": "not_run", "reason": reason}
            return
        torch.set_num_threads(spec.threads)
        model, train, normalisation = load_recognizer(recognizer, device)
        corpus = load(segments, train, device, normalisation)
        positions = examples(corpus, spec)
        arrays, questions = answers(model, corpus, positions, spec)
        about = {
            "segment_ids": [corpus.segment_ids[i] for i in positions],
            "videos": [corpus.videos[i] for i in positions],
            "classes": list(CLASSES[train.task]),
            "spec": spec.model_dump(mode="json"),
            "questions": questions,
            "absent": "masked" if train.model.masks else "zeros",
        }
        about["donors"] = [
            [about["segment_ids"][i] if i >= 0 else None for i in row] for row in arrays["swap_donors"]
        ]
        arrays["labels"] = corpus.labels[positions]
        write_tensors(result, arrays, about)
        record |= {"status": "answered", "questions": questions, "segments": len(positions)}
        record |= {"outputs": {result.name: sha256_of(result)}}
