"""From a cell's request to the specs behind it: which corpus, features, model and training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from facetory.affectdiff.requests import Configuration, Request, configurations
from facetory.affectdiff.scale import AffectDiffScale
from facetory.affectdiff.spec import (
    CLASSES,
    CONDITIONS,
    BaselineSpec,
    CounterfactualSpec,
    LatencySpec,
    ModelSpec,
    RecognizerSpec,
    ScoreSpec,
)
from facetory.data.mosei.foundation import missing_features, width_of
from facetory.data.mosei.spec import MODALITIES, AlignmentSpec, CorpusSpec, ExtractionSpec
from facetory.pipeline.config import Settings
from facetory.pipeline.registry import Placed, check_slots

OWN_WIDTHS = {"glove": 300, "covarep": 74, "facet": 35}


@dataclass(frozen=True)
class Expansion:
    """The paper's file at one scale; ``placed`` says why a dataset cannot be used (None: it can)."""

    settings: Settings
    scale: AffectDiffScale
    paper: dict[str, Any]
    placed: Placed

    @cached_property
    def models(self) -> dict[str, Configuration]:
        """The paper's named models under the reading."""
        return configurations(self.paper, self.settings.config.reading)

    @property
    def common(self) -> dict[str, Any]:
        """Where every stage computes."""
        return {"device": self.settings.device, "threads": self.settings.scale.threads}


def seeds(request: Request, expansion: Expansion) -> tuple[int, ...]:
    """The seeds of a request."""
    asked = request.get("seeds", "main")
    return (
        (expansion.scale.seeds.main[asked],)
        if isinstance(asked, int)
        else getattr(expansion.scale.seeds, asked)
    )


def corpus(slot: str, expansion: Expansion) -> CorpusSpec:
    """The corpus that fills a slot; only a synthetic one has a size."""
    dataset = expansion.settings.dataset_of(slot)
    sizes = expansion.scale.corpus.model_dump() if dataset == "synthetic_mosei" else {}
    return CorpusSpec(dataset=dataset, **sizes)


def alignment(configuration: Configuration, slot: str, expansion: Expansion) -> AlignmentSpec:
    """The aligned segments that a model learns from."""
    scale, reading = expansion.scale, expansion.settings.config.reading
    choices: dict[str, dict[str, Any]] = {
        "own": {},
        "sentiment": {"text": scale.sentiment_text},
        "homepage": scale.homepage,
    }
    features = choices[configuration.features]
    policy = configuration.policy or expansion.paper["readings"][reading]["policy"]
    return AlignmentSpec(corpus=corpus(slot, expansion), policy=policy, length=scale.length, **features)


def extractions(asked: AlignmentSpec, expansion: Expansion) -> list[ExtractionSpec]:
    """The features of foundation models that an alignment reads."""
    wanted: list[dict[str, Any]] = [{"modality": m, "features": name} for m, name in asked.extractions]
    common: dict[str, Any] = {"corpus": asked.corpus, **expansion.common}
    return [ExtractionSpec(**common, **own) for own in wanted]


def widths(asked: AlignmentSpec) -> tuple[int, int, int]:
    """The sizes of the text, audio and video features."""
    text, audio, video = (getattr(asked, modality) for modality in MODALITIES)
    sizes = [OWN_WIDTHS.get(name) or width_of(name) for name in (text, audio, video)]
    return sizes[0], sizes[1], sizes[2]


def recognizer(name: str, slot: str, seed: int, expansion: Expansion) -> RecognizerSpec:
    """The training of a named model for one seed."""
    scale, settings, configuration = expansion.scale, expansion.settings, expansion.models[name]
    data = alignment(configuration, slot, expansion)
    of_model = {key: value for key, value in configuration.fields.items() if key in ModelSpec.model_fields}
    of_training = {key: value for key, value in configuration.fields.items() if key not in of_model}
    task = of_training.get("task", "emotion")
    shape: dict[str, Any] = {"dims": widths(data), "classes": len(CLASSES[task]), "length": scale.length}
    model: ModelSpec | BaselineSpec
    if configuration.baseline:
        sizes = getattr(scale, configuration.size).get(configuration.baseline, {})
        masks = of_model.get("masks", False)
        model = BaselineSpec(
            network=configuration.baseline, size=configuration.size, sizes=sizes, masks=masks, **shape
        )
    else:
        homepage = scale.homepage_model if configuration.features == "homepage" else {}
        model = ModelSpec(**_scaled(of_model, {**scale.model, **homepage}), **shape)
    training = scale.training.model_dump()
    training["precision"] = settings.precision(scale.training.precision)
    return RecognizerSpec(
        **{**training, **of_training},
        **expansion.common,
        dataset=settings.dataset_of(slot),
        model=model,
        alignment=data,
        seed=seed,
        reading=settings.config.reading,
    )


def _scaled(of_model: dict[str, Any], sizes: dict[str, Any]) -> dict[str, Any]:
    """The fields of a model at a scale's sizes; what a model does without stays so."""
    absent = {key for key, value in of_model.items() if key == "prior_width" and value == 0}
    return {**of_model, **{key: value for key, value in sizes.items() if key not in absent}}


def score(asked: RecognizerSpec, expansion: Expansion) -> ScoreSpec:
    """The scores of a run; the conditions of Table V are those of emotions alone."""
    conditions = CONDITIONS if asked.task == "emotion" else CONDITIONS[:1]
    return ScoreSpec(train=asked, conditions=conditions, **expansion.common)


def latency(expansion: Expansion) -> LatencySpec:
    """Table VI's models, timed one after the other."""
    rows = expansion.paper["tables"]["table6"]["rows"].values()
    first = expansion.scale.seeds.main[0]
    models = tuple(recognizer(row["model"], "mosei", first, expansion) for row in rows)
    return LatencySpec(models=models, **expansion.scale.latency.model_dump(), **expansion.common)


def counterfactual(asked: RecognizerSpec, expansion: Expansion) -> CounterfactualSpec:
    """What a run is asked about another label and another modality."""
    return CounterfactualSpec(train=asked, **expansion.scale.counterfactuals.model_dump(), **expansion.common)


def why_not(request: Request, expansion: Expansion) -> str | None:
    """Why a request cannot be measured at this scale, or None."""
    slot = request["slot"]
    reason = expansion.placed(expansion.settings.dataset_of(slot))
    if reason or expansion.settings.ideal:
        return reason
    root = expansion.settings.config.data_root
    asked = [request["model"], *([request["minus"]] if request.get("minus") else [])]
    alignments = [alignment(expansion.models[name], slot, expansion) for name in asked]
    lacking = (
        missing_features(own.features, own.modality, own.corpus.dataset, root)
        for data in alignments
        for own in extractions(data, expansion)
    )
    return next((reason for reason in lacking if reason), None)


def check(expansion: Expansion) -> None:
    """Raise a `FacetoryError` where a slot of the paper has no dataset, or a model no meaning."""
    check_slots(expansion.settings, expansion.paper["slots"], "Affect-Diff")
    for name in expansion.models:
        recognizer(name, "mosei", 0, expansion)
