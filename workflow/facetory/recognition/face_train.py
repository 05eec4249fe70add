"""Training a face recogniser on a face set (AdaptDiff, "FR training setup")."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.faces.face_set import FaceSet
from facetory.pipeline.files import FacetoryError, read_json, sha256_of, write_tensors
from facetory.pipeline.fingerprint import fingerprint
from facetory.pipeline.provenance import manifest
from facetory.recognition.face_data import Split, examined, faces_of, pairs, split, verified
from facetory.recognition.face_model import WEIGHTS, Describe
from facetory.recognition.face_spec import FaceRecognizerSpec
from facetory.recognition.rand_augment import settings

if TYPE_CHECKING:
    from facetory.recognition.face_task import FaceRecognition
    from facetory.training.loop import Schedule

REFERENCE_BATCH = 512
"""The batch size for which a spec's rate is stated."""


def train_face_recognizer(
    spec: FaceRecognizerSpec,
    faces: Path | str,
    folder: Path | str,
    checkpoints: Path | str,
    device: str = "cpu",
    benchmarks: Sequence[Path | str] = (),
) -> None:
    """Train one recogniser: weights.safetensors, progress.jsonl and manifest.json in ``folder``.

    ``faces`` is the manifest of a face set, ``benchmarks`` the folders of those on which selection "test"
    chooses the epoch.  The weights are those of the best epoch, without the prototypes.  A run that diverges
    is a result: its manifest has status "failed", the reason, and the step with the names of its batch; a set
    or benchmark that is not there gives status "not_run".
    """
    from facetory.training.loop import TrainingDiverged, train

    faces, folder, examinations = Path(faces), Path(folder), [Path(path) for path in benchmarks]
    require_stated_selection(spec, examinations)
    weights, manifest_path = folder / WEIGHTS, folder / "manifest.json"
    for stale in (weights, manifest_path):
        stale.unlink(missing_ok=True)
    inputs = [faces, *(path / "manifest.json" for path in examinations)]
    with manifest(
        manifest_path,
        "verification train",
        spec.canonical(),
        ["recognition.face_train"],
        inputs,
        device,
        spec.seed,
    ) as record:
        if absent := [reason for reason in map(_absence, inputs) if reason]:
            record |= {"status": "not_run", "reason": "; ".join(absent)}
            return
        task, data = _task(spec, faces, examinations, device)
        schedule, key = schedule_of(spec, task.size), fingerprint(record)
        record["data"] = data
        record["augmentation"] = settings(task.operations, spec.magnitude)
        record["parameters"] = sum(weight.numel() for weight in task.network.parameters())
        try:
            outcome = train(
                task, schedule, folder, Path(checkpoints) / key, key=key, name=spec.id, device=device
            )
        except TrainingDiverged as error:
            step = error.last["step"] - 1
            record |= {"status": "failed", "reason": str(error)}
            record["diverged"] = {"step": step, "sample_ids": task.names(step)}
            return
        tensors = {
            name: tensor.detach().cpu().contiguous() for name, tensor in task.network.state_dict().items()
        }
        shown = {"network": spec.network, "px": spec.px, "embedding": spec.embedding}
        write_tensors(
            weights, tensors, {**shown, "spec": json.loads(spec.canonical()), "faces": data["about"]}
        )
        epoch = schedule.validate_every
        epochs = {"steps_per_epoch": epoch, "epochs": outcome["steps"] // epoch}
        record |= {
            "status": "trained",
            "training": outcome | epochs | {"best_epoch": outcome["best_step"] // epoch},
            "outputs": {weights.name: sha256_of(weights)},
        }


def require_stated_selection(spec: FaceRecognizerSpec, benchmarks: Sequence[Path]) -> None:
    """Raise a `FacetoryError` unless the epoch is chosen as the reading allows.

    Benchmarks choose it in the reading `code` alone: numbers on them are then no test.
    """
    if spec.selection == "test" and spec.reading != "code":
        raise FacetoryError(
            "selection 'test' chooses the epoch on the benchmarks, as the released code does: it belongs to "
            "reading 'code'. Use that, or selection 'validation'."
        )
    if (spec.selection == "test") != bool(benchmarks):
        raise FacetoryError(
            f"selection '{spec.selection}' with {len(benchmarks)} benchmarks: 'test' needs some, "
            "'validation' must not see any."
        )


def schedule_of(spec: FaceRecognizerSpec, size: int) -> Schedule:
    """The loop's schedule for a number of faces; an epoch is as many batches as show each face once.

    The rate falls with the epochs named by ``milestones``, the first being 1 (insightface's convention).
    """
    from facetory.training.loop import Schedule

    epoch = -(-size // spec.batch_size)
    return Schedule.of(
        spec,
        steps=spec.epochs * epoch,
        lr=spec.lr * spec.batch_size / REFERENCE_BATCH,
        optimizer="sgd",
        momentum=spec.momentum,
        decay=spec.schedule,
        milestones=tuple((milestone - 1) * epoch for milestone in spec.milestones),
        plateau_patience=spec.plateau_patience,
        select="accuracy",
        patience=spec.patience,
        log_every=epoch,
        validate_every=epoch,
    )


def _absence(path: Path) -> str | None:
    """Why what a manifest stands for is not there, or None."""
    about = read_json(path)
    return None if about["status"] in ("gathered", "read") else f"{path.parent.name}: {about['reason']}"


def _task(
    spec: FaceRecognizerSpec, path: Path, benchmarks: Sequence[Path], device: str
) -> tuple[FaceRecognition, dict[str, Any]]:
    """What the loop trains, and what the manifest says of its data."""
    from facetory.recognition.face_task import FaceRecognition
    from facetory.recognition.iresnet import iresnet

    faces = faces_of(spec, path)
    share, least = (0, 0) if benchmarks else (spec.validation_share, spec.validation_least)
    chosen = split(faces, share, least, spec.seed)
    score, chosen_on = _score(spec, faces, chosen, benchmarks)
    network = iresnet(spec.network, spec.px, spec.embedding, spec.dropout, spec.seed)
    return FaceRecognition(spec, faces, chosen, network, score, device), {
        "identities": len(chosen.people),
        "images": len(chosen.training),
        "held_out": [faces.names[number] for number in chosen.strangers],
        "chosen_on": chosen_on,
        "about": faces.about,
    }


def _score(
    spec: FaceRecognizerSpec, faces: FaceSet, chosen: Split, benchmarks: Sequence[Path]
) -> tuple[Callable[[Describe], dict[str, float]], Any]:
    """What chooses the epoch, and on what: the benchmarks' names, or the numbers of pairs."""
    if benchmarks:
        return partial(examined, benchmarks), [folder.name for folder in benchmarks]
    compared = pairs(faces.identity, chosen.held_out, spec.seed)
    sizes = {"genuine": len(compared.genuine), "impostor": len(compared.impostor)}
    return partial(verified, faces, compared), sizes
