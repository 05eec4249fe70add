"""From a cell's request to the specs behind it: whose faces, how they are made, who judges them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from facetory.adaptdiff.guidance import mean_weight
from facetory.adaptdiff.requests import Asked
from facetory.adaptdiff.samplers import visited
from facetory.adaptdiff.scale import AdaptDiffScale, Pairs, Size
from facetory.adaptdiff.spec import (
    AuditSpec,
    ContextSpec,
    GeneratorSpec,
    Guidance,
    IdentitiesSpec,
    IdentitySampler,
    SeparabilitySpec,
    SynthesisSpec,
)
from facetory.faces.spec import Alignment, FaceSetSpec
from facetory.pipeline.config import Settings
from facetory.pipeline.registry import Placed, check_slots
from facetory.pipeline.suggest import validated
from facetory.recognition.face_spec import BenchmarkSpec, FaceRecognizerSpec, VerificationSpec
from facetory.recognition.judges_catalogue import missing_identity

EVERY = 1_000_000
"""More people, and images of each, than any set has."""


@dataclass(frozen=True)
class Expansion:
    """The paper's file at one scale; ``placed`` and ``backbone_missing`` say why something cannot be used."""

    settings: Settings
    scale: AdaptDiffScale
    paper: dict[str, Any]
    placed: Placed
    backbone_missing: Placed

    @property
    def common(self) -> dict[str, Any]:
        """Where every stage computes."""
        return {"device": self.settings.device, "threads": self.settings.scale.threads}

    @property
    def reading(self) -> dict[str, Any]:
        """What the reading has otherwise than the text."""
        return self.paper["readings"][self.settings.config.reading]  # type: ignore[no-any-return]

    @property
    def precision(self) -> dict[str, Any]:
        """The scale's precision of generation, on a GPU."""
        return {"precision": self.settings.precision(self.scale.precision)}


def face_set(slot: str, expansion: Expansion, split: str = "train") -> FaceSetSpec:
    """The faces of a slot's people as recognisers see them."""
    alignment = as_read(expansion.scale.alignments.get(slot, expansion.scale.alignment), expansion)
    dataset = expansion.settings.dataset_of(slot)
    return FaceSetSpec(dataset=dataset, split=split, px=expansion.scale.face_px, alignment=alignment)


def as_read(alignment: Alignment, expansion: Expansion) -> Alignment:
    """An alignment with the template of the reading."""
    return expansion.reading.get("alignment", alignment) if alignment == "mtcnn" else alignment


def contexts(slot: str, expansion: Expansion) -> ContextSpec:
    """The contexts that a generator learns under."""
    return ContextSpec(faces=face_set(slot, expansion), embedder=expansion.scale.embedder, **expansion.common)


def generator(slot: str, expansion: Expansion) -> GeneratorSpec:
    """The generator that learns from a slot's faces; the authors' checkpoint where it is placed."""
    scale, settings = expansion.scale, expansion.settings
    own = scale.generator
    weights = own.weights.get(slot)
    placed = weights is not None and (settings.config.data_root / weights).is_file()
    return GeneratorSpec(
        dataset=settings.dataset_of(slot),
        backbone=scale.backbone,
        px=scale.px,
        architecture=own.architecture,
        contexts=contexts(slot, expansion),
        steps=own.steps,
        batch_size=own.batch_size,
        lr=own.lr,
        decay=own.decay,
        ema=expansion.reading.get("ema", own.ema),
        initial=own.initial,
        weights=weights if placed else None,
        precision=settings.precision(own.precision),
        checkpoint_every=own.checkpoint_every,
        reading=settings.config.reading,
        **expansion.common,
    )


def sampler(asked: Asked, expansion: Expansion) -> IdentitySampler:
    """The sampler of a request, with this scale's steps; its released variant where the reading asks so."""
    steps = expansion.scale.inference_steps.get(asked.sampler, {}).get(asked.steps, asked.steps)
    released = expansion.reading.get("released", False) if asked.released is None else asked.released
    own = asked.sampler in ("ddpm", "ddim") and released
    return IdentitySampler(method=asked.sampler, steps=steps, released=own)


def guidance(asked: Asked, expansion: Expansion) -> Guidance:
    """The guidance of a request; what guides nothing has no other fields."""
    if asked.schedule == "none":
        return Guidance(schedule="none")
    mean = round(mean_weight(Guidance(), visited(sampler(asked, expansion)), 1000), 6)
    w_max = mean if asked.w_max == "mean" else asked.w_max
    return Guidance(schedule=asked.schedule, w_max=w_max, negative=asked.negative)


def synthesis(asked: Asked, size: Size, seed: int, expansion: Expansion) -> SynthesisSpec:
    """The synthetic faces of a request."""
    scale = expansion.scale
    return SynthesisSpec(
        generator=generator(asked.slot, expansion),
        pool=IdentitiesSpec(count=scale.pool, size=scale.context_size),
        identities=size.identities,
        images=size.images,
        spare=size.spare,
        guidance=guidance(asked, expansion),
        sampler=sampler(asked, expansion),
        alignment=as_read(scale.alignment, expansion),
        px=scale.face_px,
        batch_rows=scale.batch_rows,
        seed=seed,
        **expansion.precision,
        **expansion.common,
    )


def separability(faces: str, slot: str, expansion: Expansion) -> SeparabilitySpec:
    """The scores of a face set, by the judge of its slot."""
    scale = expansion.scale
    return SeparabilitySpec(
        faces=faces,
        judge=scale.judges.get(slot, scale.judge),
        identities=scale.separability.identities,
        images=scale.separability.images,
        impostor_share=scale.impostor_share,
        **expansion.common,
    )


def audit(asked: SynthesisSpec, expansion: Expansion) -> AuditSpec:
    """How near a set comes to its generator's training people."""
    return AuditSpec(synthesis=asked, images=expansion.scale.audited, **expansion.common)


def recognizer(
    faces: str, asked: Asked, size: Size | None, seed: int, expansion: Expansion
) -> FaceRecognizerSpec:
    """A face recogniser that learns from a face set: of ``size``, or all of it."""
    own = expansion.scale.recognition.model_dump()
    own["precision"] = expansion.settings.precision(own["precision"])
    selection = expansion.reading.get("selection", "validation")
    examined = [benchmark(slot, expansion).id for slot in benchmarks(expansion)]
    return FaceRecognizerSpec(
        dataset=faces.partition("/")[2],
        faces=faces,
        px=expansion.scale.face_px,
        identities=size.identities if size else EVERY,
        images=size.images if size else EVERY,
        augment=asked.augment,
        selection=selection,
        benchmarks=tuple(examined) if selection == "test" else (),
        verification_batch=expansion.scale.verification_batch,
        reading=expansion.settings.config.reading,
        seed=seed,
        **own,
        **expansion.common,
    )


def benchmarks(expansion: Expansion) -> list[str]:
    """The slots of the five benchmarks that can be read here, in the paper's order."""
    return [slot for slot in expansion.paper["benchmarks"] if not benchmark_missing(slot, expansion)]


def benchmark(slot: str, expansion: Expansion) -> BenchmarkSpec:
    """A slot's benchmark: its own pairs, pairs drawn from a stand-in's people, or IJB-C's templates."""
    dataset, px = expansion.settings.dataset_of(slot), expansion.scale.face_px
    own = dataset in expansion.settings.config.datasets
    drawn = expansion.scale.drawn.get(slot, Pairs() if own else None)
    if drawn:
        faces = face_set(slot, expansion, drawn.split)
        sizes = {"pairs": drawn.pairs, "folds": drawn.folds}
        return BenchmarkSpec(dataset=dataset, protocol="pairs", faces=faces, px=px, **sizes)
    return BenchmarkSpec(dataset=dataset, protocol="ijbc" if slot == "ijbc" else "bin", px=px)


def benchmark_missing(slot: str, expansion: Expansion) -> str | None:
    """Why a slot's benchmark cannot be read, or None."""
    return expansion.placed(expansion.settings.dataset_of(slot))


def verification(model: Any, slot: str, expansion: Expansion) -> VerificationSpec:
    """A recogniser, or an embedder by name, on a slot's benchmark."""
    far = expansion.reading.get("far", "at_most")
    return VerificationSpec(
        model=model,
        benchmark=benchmark(slot, expansion),
        far=far,
        batch_size=expansion.scale.verification_batch,
        **expansion.common,
    )


def why_not(asked: Asked, expansion: Expansion) -> str | None:
    """Why a request cannot be measured at this scale, or None."""
    if expansion.settings.ideal:
        return None
    scale, root = expansion.scale, expansion.settings.config.data_root
    reasons: list[str | None] = []
    if asked.of == "synthesis":
        reasons.append(expansion.backbone_missing(scale.backbone))
        if generator(asked.slot, expansion).weights is None or asked.metric.startswith("leakage"):
            reasons.append(expansion.placed(expansion.settings.dataset_of(asked.slot)))
            reasons.append(missing_identity(scale.embedder, root))
    elif asked.of == "authentic":
        reasons.append(expansion.placed(expansion.settings.dataset_of(asked.slot)))
    else:
        reasons.append(missing_identity(str(asked.embedder), root))
    if asked.metric.startswith("mean_accuracy"):
        if not benchmarks(expansion):
            reasons.append("none of the five benchmarks is placed")
    elif asked.benchmark:
        reasons.append(benchmark_missing(asked.benchmark, expansion))
    elif not asked.metric.startswith("leakage"):
        reasons.append(missing_identity(scale.judges.get(asked.slot, scale.judge), root))
    if asked.benchmark and expansion.reading.get("selection") == "test" and not benchmarks(expansion):
        reasons.append("the released code chooses the epoch on the five benchmarks, of which none is placed")
    return next((reason for reason in reasons if reason), None)


def check(expansion: Expansion) -> None:
    """Raise a `FacetoryError` where a slot of the paper has no dataset."""
    check_slots(expansion.settings, expansion.paper["slots"], "AdaptDiff")


def shard_count(asked: SynthesisSpec, settings: Settings) -> int:
    """The number of jobs that a synthetic set is drawn in: the scale's, of the first size that it fits."""
    scale = validated(AdaptDiffScale, settings.scale.adaptdiff, f"{settings.config.scale}.yaml: adaptdiff")
    sizes = (scale.ablation, scale.full)
    return next(size.shards for size in sizes if asked.identities <= size.identities)
