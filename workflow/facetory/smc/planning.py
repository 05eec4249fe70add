"""From a cell's request to the specs behind it: which model, guide, sampler and faces, measured by whom."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from facetory.pipeline.config import Settings
from facetory.pipeline.registry import Placed, check_slots
from facetory.pipeline.suggest import unknown
from facetory.recognition import planning as recognition
from facetory.recognition.judges_catalogue import missing_features, missing_identity
from facetory.recognition.scale import RecognitionScale
from facetory.recognition.spec import ClassifierSpec
from facetory.smc.requests import FIELDS, Request, checked_baseline
from facetory.smc.sampler_spec import READINGS, Sampler
from facetory.smc.scale import Network, SMCScale
from facetory.smc.spec import (
    EditSpec,
    MeasureSpec,
    ReconstructionSpec,
    SampleSpec,
    SmallDecoderSpec,
    SMCTrainSpec,
)

METHODS = ("best_of_n", "gradient", "none")
"""Samplers that are no reading of Algorithm 1."""
RECONSTRUCTED = ("psnr", "reconstruction_distance")
"""Metrics of the autoencoder alone."""


@dataclass(frozen=True)
class Expansion:
    """The paper's file at one scale; ``placed`` and ``backbone_missing`` say why something cannot be used."""

    settings: Settings
    scale: SMCScale
    recognition: RecognitionScale
    paper: dict[str, Any]
    placed: Placed
    backbone_missing: Placed

    @property
    def backbone(self) -> str:
        """The autoencoder of the reading."""
        own = self.scale.code_backbone if self.settings.config.reading == "code" else None
        return own or self.scale.backbone

    @cached_property
    def measures_missing(self) -> tuple[str | None, str | None]:
        """Why the feature and the identity network cannot be used."""
        if self.settings.ideal:
            return None, None
        root = self.settings.config.data_root
        return missing_features(self.scale.features, root), missing_identity(self.scale.identity, root)

    @property
    def common(self) -> dict[str, Any]:
        """Where every stage computes."""
        return {"device": self.settings.device, "threads": self.settings.scale.threads}


def sampler(request: Request, expansion: Expansion) -> Sampler:
    """The sampler of a request: its reading's, at the numbers that the scale affords."""
    reading = expansion.settings.config.reading
    name = request.get("sampler", reading)
    if name not in (*READINGS, *METHODS):
        raise unknown("sampler", name, [*READINGS, *METHODS], "smc.yaml")
    asked = {**expansion.paper["baseline"][reading], **request}
    chosen = READINGS.get(name, {"method": name, "initial_noise": "own"}) | {
        key: asked[key] for key in FIELDS & asked.keys()
    }
    for key in ("particles", "inference_steps"):
        chosen[key] = getattr(expansion.scale, key).get(chosen[key], chosen[key])
    return Sampler(**chosen)


def diffusion(seed: int, expansion: Expansion) -> SMCTrainSpec:
    """The latent diffusion model of one seed."""
    scale, settings = expansion.scale, expansion.settings
    given = scale.diffusion.model_dump(exclude={"also"}) | {"also": also(expansion)}
    return SMCTrainSpec(
        **given | {"precision": settings.precision(scale.diffusion.precision)},
        **expansion.common,
        dataset=settings.dataset_of("celebahq"),
        backbone=expansion.backbone,
        px=scale.px,
        seed=seed,
    )


def small_decoder(expansion: Expansion) -> SmallDecoderSpec:
    """The small decoder of the autoencoder."""
    scale, settings = expansion.scale, expansion.settings
    precision = settings.precision(scale.small_decoder.precision)
    return SmallDecoderSpec(
        **scale.small_decoder.model_dump() | {"precision": precision},
        **expansion.common,
        dataset=settings.dataset_of("celebahq"),
        backbone=expansion.backbone,
        px=scale.px,
    )


def classifier(chosen: Network, slot: str, expansion: Expansion) -> ClassifierSpec:
    """A guide or a judge, trained on a slot."""
    own, settings, scale = chosen.model_dump(), expansion.settings, expansion.scale
    return recognition.classifier_spec(
        own, slot, 0, expansion.recognition, settings, scale.px, expansion.backbone
    )


def guide(request: Request, expansion: Expansion) -> ClassifierSpec:
    """The guide of a request."""
    latents = request.get("guide") == "latents"
    chosen = expansion.scale.latent_guide if latents else expansion.scale.guide
    return classifier(chosen, "smc_guide", expansion)


def edit(request: Request, seed: int, expansion: Expansion) -> EditSpec:
    """The edit of a request for one seed."""
    scale, settings, slot = expansion.scale, expansion.settings, request["slot"]
    dataset = settings.dataset_of(slot)
    target = request.get("target") or expansion.paper["baseline"][settings.config.reading]["target"]
    return EditSpec(
        train=diffusion(seed, expansion),
        guide=guide(request, expansion),
        decoder=small_decoder(expansion) if request.get("decoder") == "small" else None,
        dataset=dataset,
        split=settings.split_of(dataset),
        images=getattr(scale.images, request.get("images", "ablation")),
        labels=scale.source_labels.get(slot, ()),
        target=target,
        sampler=sampler(request, expansion),
        snapshots=scale.snapshots if request.get("snapshots") else 0,
        batch_rows=scale.batch_rows,
        precision=settings.precision(scale.precision),
        seed=seed,
        **expansion.common,
    )


def measure(asked: EditSpec, expansion: Expansion) -> MeasureSpec:
    """What is measured of an edit."""
    scale = expansion.scale
    return MeasureSpec(
        edit=asked,
        judge=classifier(scale.judge, "smc_judge", expansion),
        features=scale.features,
        identity=scale.identity,
        **expansion.common,
    )


def samples(seed: int, expansion: Expansion) -> SampleSpec:
    """Faces drawn from noise by the model of one seed."""
    scale = expansion.scale
    return SampleSpec(
        train=diffusion(seed, expansion),
        **scale.samples.model_dump(),
        seed=seed,
        batch_rows=scale.batch_rows,
        **expansion.common,
    )


def reconstruction(request: Request, expansion: Expansion) -> ReconstructionSpec:
    """Faces of a slot through the autoencoder alone."""
    scale, settings = expansion.scale, expansion.settings
    dataset = settings.dataset_of(request["slot"])
    return ReconstructionSpec(
        backbone=expansion.backbone,
        dataset=dataset,
        split=settings.split_of(dataset),
        px=scale.px,
        images=scale.reconstructions,
        features=scale.features,
        batch_rows=scale.batch_rows,
        **expansion.common,
    )


def why_not(request: Request, expansion: Expansion) -> str | None:
    """Why a request cannot be measured at this scale, or None."""
    settings, scale, metric = expansion.settings, expansion.scale, request["metric"]
    no_features, no_identity = expansion.measures_missing
    slots = [request["slot"]]
    trains = metric not in RECONSTRUCTED
    edits = trains and metric not in ("last_loss", "samples_realism")
    slots += ["celebahq", *scale.diffusion.also] if trains else []
    reasons = [expansion.backbone_missing(expansion.backbone)]
    if edits:
        judge = classifier(scale.judge, "smc_judge", expansion)
        guides = [(guide(request, expansion), "smc_guide"), (judge, "smc_judge")]
        reasons.append(not_independent(guides[0][0], judge))
        reasons += [recognition.weights_missing(spec, spec.network, settings) for spec, _ in guides]
        slots += [slot for spec, slot in guides if not spec.weights]
        reasons.append(no_identity)
    if edits or metric == "reconstruction_distance":
        reasons.append(no_features)
    datasets = dict.fromkeys(settings.dataset_of(slot) for slot in slots)
    reasons += [expansion.placed(dataset) for dataset in datasets]
    return next((reason for reason in reasons if reason), None)


def not_independent(guide: ClassifierSpec, judge: ClassifierSpec) -> str | None:
    """Why a judge's word about this guide's edits would be no second opinion, or None."""
    for what in ("network", "dataset"):
        if (same := getattr(judge, what)) == getattr(guide, what):
            return (
                f"judge and guide have the same {what}, {same}: the judge would not be independent. Name "
                "another network under smc: judge, or another dataset for the slot smc_judge, in the scale"
            )
    return None


def also(expansion: Expansion) -> tuple[str, ...]:
    """The datasets that the diffusion model learns from beside CelebA-HQ's."""
    settings = expansion.settings
    main = settings.dataset_of("celebahq")
    others = dict.fromkeys(settings.dataset_of(slot) for slot in expansion.scale.diffusion.also)
    return tuple(name for name in others if name != main)


def check(expansion: Expansion) -> None:
    """Raise a `FacetoryError` where a slot of the paper has no dataset, or a baseline no meaning."""
    for reading, baseline in expansion.paper["baseline"].items():
        checked_baseline(baseline, f"smc.yaml: baseline: {reading}")
    check_slots(expansion.settings, expansion.paper["slots"], "SMC")
