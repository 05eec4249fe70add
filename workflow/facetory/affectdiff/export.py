"""From a trained recognizer and its scores to a model that people can use."""

from __future__ import annotations

import math
from importlib.metadata import version
from pathlib import Path
from typing import Any

from facetory.affectdiff.estimates import estimate, stored
from facetory.affectdiff.model_card import card
from facetory.affectdiff.model_folder import WEIGHTS, Data, Metric, Model, Opened, Stream, write_model
from facetory.affectdiff.records import Records
from facetory.affectdiff.spec import CLASSES, RecognizerSpec
from facetory.data.catalogue import entries
from facetory.data.mosei.spec import MODALITIES
from facetory.pipeline.files import FacetoryError, read_json
from facetory.pipeline.suggest import validated

SCORES = {
    "test_balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "auroc": "AUROC (mean, one against the rest)",
}
SENTIMENT = {"mae": "mean absolute error", "pearson": "Pearson's r"}


def export_recognizer(
    recognizer: Path | str,
    scores: Path | str | None,
    folder: Path | str,
    stands_in_for: str | None = None,
) -> None:
    """Write a trained recognizer (its folder) as a model's folder, with its card.

    ``scores`` is the folder of its scores, for the card; ``stands_in_for`` names the dataset that its corpus
    replaces.  A recognizer whose training failed, or scores of another one, are a `FacetoryError`.
    """
    opened = as_model(Path(recognizer), Path(scores) if scores else None, stands_in_for)
    write_model(folder, opened, card(opened.about))


def as_model(recognizer: Path, scores: Path | None = None, stands_in_for: str | None = None) -> Opened:
    """A recognizer as a model, its weights where they lie."""
    about = read_json(recognizer / "manifest.json")
    if about["status"] != "trained":
        raise FacetoryError(f"{recognizer}: its training failed: {about['reason']} There is no model to use.")
    spec = validated(RecognizerSpec, about["spec"], str(recognizer / "manifest.json"))
    records = _records(scores, spec) if scores else None
    data = _data(about["data"], spec, stands_in_for)
    features = (getattr(spec.alignment, modality) for modality in MODALITIES)
    streams = zip(MODALITIES, features, spec.model.dims, strict=True)
    model = Model(
        name=spec.id,
        licence=f"data: {data.licence}",
        facetory=version("facetory"),
        classes=CLASSES[spec.task],
        streams={modality: Stream(features=name, width=width) for modality, name, width in streams},
        training=spec,
        parameters=about["parameters"]["trainable"],
        data=data,
        videos=len(set(records.test_videos)) if records else None,
        metrics=_metrics(records, spec) if records else (),
    )
    return Opened(model, recognizer / WEIGHTS)


def _data(about: dict[str, Any], spec: RecognizerSpec, stands_in_for: str | None) -> Data:
    corpus, known = about["corpus"]["corpus"], entries().get(spec.dataset)
    return Data(
        dataset=spec.dataset,
        title=corpus["title"],
        licence=known.licence if known else "not stated",
        synthetic=corpus["synthetic"],
        planted=corpus["planted"],
        stands_in_for=stands_in_for,
        splits=about["sizes"],
        classes=dict(zip(CLASSES[spec.task], about["class_counts"]["train"], strict=True)),
    )


def _records(scores: Path, spec: RecognizerSpec) -> Records:
    about = read_json(scores / "manifest.json")
    if about["status"] != "scored":
        raise FacetoryError(f"{scores}: not scored: {about['reason']} Name scores that came out.")
    records = stored(scores / "records.safetensors")
    if RecognizerSpec.model_validate(records.spec["train"]) != spec:
        raise FacetoryError(f"{scores}: scores another run than {spec.id}. Name this run's scores.")
    return records


def _metrics(records: Records, spec: RecognizerSpec) -> tuple[Metric, ...]:
    """Exact scores of the test split; a class that does not occur there has no recall."""
    names = SCORES | (SENTIMENT if spec.task == "sentiment7" else {})
    names |= {f"recall {name}": f"recall of {name}" for name in records.classes}
    found = []
    for metric, name in names.items():
        value, low, high, n = estimate(metric, [records])
        if math.isfinite(value):
            bounds = [bound if math.isfinite(bound) else None for bound in (low, high)]
            found.append(Metric(name=name, value=value, low=bounds[0], high=bounds[1], n=n))
    return tuple(found)
