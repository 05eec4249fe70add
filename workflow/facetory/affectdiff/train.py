"""Training a recognizer: Affect-Diff or a baseline, on aligned segments (Section IV-H)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.affectdiff.spec import CLASSES, ModelSpec, RecognizerSpec
from facetory.pipeline.files import sha256_of, write_tensors
from facetory.pipeline.fingerprint import fingerprint
from facetory.pipeline.provenance import manifest

if TYPE_CHECKING:
    from facetory.affectdiff.batches import Corpus
    from facetory.training.loop import Schedule

SELECTED = {"exact": "balanced_accuracy", "batches": "batch_balanced_accuracy", "loss": "minus_loss"}
"""The number of the validation that chooses the epoch, by the spec's selection."""


def train_recognizer(
    spec: RecognizerSpec,
    segments: Path | str,
    folder: Path | str,
    checkpoints: Path | str,
    device: str = "cpu",
) -> None:
    """Train one run: weights.safetensors, progress.jsonl and manifest.json in ``folder``.

    The weights are those of the epoch with the best validation, the prior's their running mean, and stand
    beside the normalisation of the features.  A run that diverges is a result: its manifest has status
    "failed" with the reason, and no weights are left.  Checkpoints are kept apart by spec, code and inputs.
    """
    from facetory.affectdiff.batches import load
    from facetory.affectdiff.counts import counts_of
    from facetory.affectdiff.networks import WEIGHTS, build
    from facetory.affectdiff.normalisation import tensors_of
    from facetory.affectdiff.task import Recognition
    from facetory.training.loop import TrainingDiverged, train

    folder = Path(folder)
    weights, manifest_path = folder / WEIGHTS, folder / "manifest.json"
    for stale in (weights, manifest_path):
        stale.unlink(missing_ok=True)
    with manifest(
        manifest_path,
        "affectdiff train",
        spec.canonical(),
        ["affectdiff.train"],
        [segments],
        device,
        spec.seed,
    ) as record:
        corpus = load(segments, spec, device)
        task = Recognition(spec, corpus, build(spec), device)
        key = fingerprint(record)
        record |= {"data": data_of(corpus, spec), "parameters": counts_of(task.model)}
        try:
            outcome = train(
                task,
                schedule_of(spec, task.steps_per_epoch),
                folder,
                Path(checkpoints) / key,
                key=key,
                name=spec.id,
                device=device,
                tensorboard=device.startswith("cuda"),
            )
        except TrainingDiverged as error:
            record |= {"status": "failed", "reason": str(error)}
            return
        tensors = {name: tensor.detach().cpu().clone() for name, tensor in task.model.state_dict().items()}
        about = {
            "spec": json.loads(spec.canonical()),
            "classes": list(CLASSES[spec.task]),
            "dims": list(spec.model.dims),
        }
        write_tensors(weights, tensors | tensors_of(corpus.normalisation), about)
        record |= {
            "status": "trained",
            "training": outcome | {"steps_per_epoch": task.steps_per_epoch},
            "log_digest": log_digest(folder / "progress.jsonl"),
            "outputs": {weights.name: sha256_of(weights)},
        }


def schedule_of(spec: RecognizerSpec, steps_per_epoch: int) -> Schedule:
    """The loop's schedule; divergence is watched on the task's loss, which no curriculum raises."""
    from facetory.training.loop import Schedule

    prior = isinstance(spec.model, ModelSpec) and spec.model.prior_width > 0
    return Schedule.of(
        spec,
        steps=spec.epochs * steps_per_epoch,
        warmup=spec.warmup_epochs * steps_per_epoch,
        log_every=steps_per_epoch,
        validate_every=steps_per_epoch,
        select=SELECTED[spec.selection],
        patience=spec.patience,
        ema=spec.ema if prior else 0.0,
        ema_of="model.prior.",
        watched="task",
    )


def data_of(corpus: Corpus, spec: RecognizerSpec) -> dict[str, Any]:
    """Sizes of the splits, their class counts, the test split's majority share, and whose data it is."""
    test = corpus.class_counts["test"]
    names = CLASSES[spec.task]
    return {
        "sizes": {part: len(at) for part, at in corpus.parts.items()},
        "class_counts": corpus.class_counts,
        "empty_classes": {
            part: [name for name, count in zip(names, counts, strict=True) if not count]
            for part, counts in corpus.class_counts.items()
        },
        "majority": names[test.index(max(test))],
        "majority_share": max(test) / sum(test),
        "corpus": corpus.about,
    }


def log_digest(path: Path) -> str:
    """sha256 of progress.jsonl without its clock times: equal for equal runs, never for different seeds."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        line.pop("seconds", None)
    return hashlib.sha256(json.dumps(lines, sort_keys=True).encode()).hexdigest()
