"""What is known of a generator: the faces that it learnt from, and what a judge says of its own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from facetory.adaptdiff.model_folder import Data, Measured, Metric
from facetory.adaptdiff.spec import GeneratorSpec, SeparabilitySpec, SynthesisSpec
from facetory.data.catalogue import entries
from facetory.pipeline.files import FacetoryError, read_json
from facetory.pipeline.suggest import validated

METRICS = {
    "eer": "EER",
    "fmr100": "FMR100",
    "fmr1000": "FMR1000",
    "fdr": "FDR",
    "genuine_mean": "mean of genuine cosines",
    "impostor_mean": "mean of impostor cosines",
}


def data_of(spec: GeneratorSpec, root: Path, stands_in_for: str | None = None) -> Data:
    """What is known of a generator's data: by the face set and the dataset in ``root``, a scale's results."""
    known = entries().get(spec.dataset)
    dataset = root / "datasets" / spec.dataset / "manifest.json"
    about = read_json(dataset) if dataset.is_file() else {}
    if not (about or known):
        raise FacetoryError(
            f"{dataset}: missing, and {spec.dataset} is not in the catalogue: its licence is unknown."
        )
    faces = root / "face_sets" / spec.contexts.faces.id / "manifest.json"
    shown = read_json(faces) if faces.is_file() else {}
    return Data(
        dataset=spec.dataset,
        title=about.get("title") or (known.title if known else spec.dataset),
        licence=about.get("licence") or (known.licence if known else "not stated"),
        images=sum(file["images"] for file in shown.get("files", ())) or None,
        people=shown.get("identities"),
        stands_in_for=stands_in_for,
    )


def judged_faces(separation: Path, generator: GeneratorSpec) -> SynthesisSpec:
    """The faces of a separability's manifest; those of another generator are a `FacetoryError`."""
    spec = validated(SeparabilitySpec, read_json(separation)["spec"], str(separation))
    faces = separation.resolve().parents[2] / spec.faces / "manifest.json"
    judged: SynthesisSpec = validated(SynthesisSpec, read_json(faces)["spec"], str(faces))
    if judged.generator != generator:
        raise FacetoryError(f"{separation}: of faces by another generator than {generator.id}.")
    return judged


def measured_of(separation: Path, judged: SynthesisSpec) -> Measured:
    """What a separability's manifest says, for the card."""
    about = read_json(separation)
    if about["status"] in ("not_run", "failed"):
        raise FacetoryError(f"{separation}: not measured: {about['reason']} Name one that came out.")
    spec = SeparabilitySpec.model_validate(about["spec"])
    return Measured(
        judge=spec.judge,
        identities=about["identities"],
        images=spec.images,
        guidance=judged.guidance,
        sampler=judged.sampler,
        metrics=tuple(
            Metric(
                name=title, **{key: _number(about["metrics"][name][key]) for key in ("value", "low", "high")}
            )
            for name, title in METRICS.items()
            if _number(about["metrics"].get(name, {}).get("value")) is not None
        ),
    )


def settings_of(judged: SynthesisSpec) -> dict[str, Any]:
    """How the judged faces were made, as fields of `model_folder.Model`."""
    own = {name: getattr(judged, name) for name in ("guidance", "sampler", "alignment")}
    return own | {"face_px": judged.px}


def _number(value: float | None) -> Any:
    return None if value is None or math.isnan(value) else value
