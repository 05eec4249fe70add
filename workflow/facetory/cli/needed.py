"""What a target reads that the project does not carry: datasets and weights, with licence, place and size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from facetory.cli.study import WholeStudy
from facetory.cli.walk import Job
from facetory.data import catalogue
from facetory.data.mosei.foundation import foundation, missing_features
from facetory.diffusion import catalogue as backbones
from facetory.recognition import judges_catalogue as judges
from facetory.recognition.planning import weights_missing

FLOAT = 4
"""Bytes of a parameter as weights are published."""


class Needed(BaseModel):
    """A dataset or weights: whence, under which licence, how large, and why it is ``missing`` (None: placed).

    ``bytes`` are known of weights alone (parameters in single precision); ``samples`` of datasets are images,
    or of a verification set its pairs.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Literal["dataset", "weights"]
    name: str
    title: str
    licence: str
    source: str
    samples: int | None = None
    bytes: int | None = None
    missing: str | None = None


def needed(jobs: Iterable[Job], study: WholeStudy, counted: Mapping[str, Mapping[str, Any]]) -> list[Needed]:
    """What some jobs read, each once; what the project draws itself is left out."""
    found: dict[tuple[str, str], Needed] = {}
    for job in jobs:
        for own in _of(job, study, counted):
            found.setdefault((own.kind, own.name), own)
    return sorted(found.values(), key=lambda own: (own.missing is None, own.kind, own.name))


def _of(job: Job, study: WholeStudy, counted: Mapping[str, Mapping[str, Any]]) -> Iterator[Needed]:
    """What one job reads itself."""
    spec: Any = job.spec
    match job.rule:
        case "index_dataset":
            yield from _dataset(job.about["dataset"], study)
        case "index_corpus":
            yield from _dataset(spec.dataset, study)
        case "make_benchmark" if not spec.faces:
            yield from _dataset(spec.dataset, study)
        case "place_backbone":
            yield _backbone(job.about["backbone"], study, counted)
        case "train_classifier" if spec.weights:
            yield _checkpoint(spec, study)
        case "extract_features":
            yield _foundation(spec, study)
        case "measure_smc" | "reconstruct_smc":
            yield _network(judges.FEATURES, spec.features, study, counted, "features")
    named = {"measure_smc": "identity", "embed_contexts": "embedder", "measure_separability": "judge"}
    if job.rule in named:
        yield _network(judges.IDENTITY, getattr(spec, named[job.rule]), study, counted, "embedder")
    if job.rule == "verify_faces" and isinstance(spec.model, str):
        yield _network(judges.IDENTITY, spec.model, study, counted, "embedder")


def _dataset(name: str, study: WholeStudy) -> Iterator[Needed]:
    config = study.settings.config
    about = catalogue.entry(name, config.datasets)
    if about.access != "embedded":
        yield Needed(
            kind="dataset",
            name=name,
            title=about.title,
            licence=about.licence,
            source=f"{about.access}: {about.url}" if about.url else about.access,
            samples=sum(about.counts.values()) or None,
            missing=catalogue.placed(about, config.data_root),
        )


def _backbone(name: str, study: WholeStudy, counted: Mapping[str, Mapping[str, Any]]) -> Needed:
    about = backbones.backbone(name)
    parts = {"unet": "unet", "vae": "encode"}
    sizes = [
        next((own["parameters"] for key, own in counted.items() if key.startswith(f"{word}/{name}/")), 0)
        for part, word in parts.items()
        if part in about.parts
    ]
    return Needed(
        kind="weights",
        name=name,
        title=f"backbone {name}",
        licence=about.licence,
        source=about.source,
        bytes=FLOAT * sum(sizes) or None,
        missing=backbones.missing(name, study.settings.config.data_root),
    )


def _checkpoint(spec: Any, study: WholeStudy) -> Needed:
    real = study.settings.model_copy(update={"ideal": False})
    return Needed(
        kind="weights",
        name=spec.weights,
        title=f"the authors' checkpoint of {spec.network} on {spec.dataset}",
        licence="its authors'",
        source="its authors; see docs/comparators.md",
        missing=weights_missing(spec, spec.network, real),
    )


def _foundation(spec: Any, study: WholeStudy) -> Needed:
    about = foundation(spec.features)
    config = study.settings.config
    return Needed(
        kind="weights",
        name=spec.features,
        title=about.title,
        licence=about.licence,
        source=about.source,
        missing=missing_features(spec.features, spec.modality, spec.corpus.dataset, config.data_root),
    )


def _network(
    known: dict[str, judges.Released],
    name: str,
    study: WholeStudy,
    counted: Mapping[str, Mapping[str, Any]],
    word: str,
) -> Needed:
    about = judges.entry(known, name, "network")
    parameters = counted.get(f"{word}/{name}", {}).get("parameters", 0)
    return Needed(
        kind="weights",
        name=name,
        title=about.title,
        licence=about.licence,
        source=about.source or f"pip: {about.package}",
        bytes=FLOAT * parameters or None,
        missing=judges.missing(about, study.settings.config.data_root),
    )
