"""From a cell's request to the specs behind it: which model, trained on what, evaluated how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from facetory.emodc.generate_spec import EmoDCGenerateSpec
from facetory.emodc.grids import evaluation_timesteps, grid, paper_timestep
from facetory.emodc.race_spec import RaceSpec
from facetory.emodc.spec import EmoDCEvalSpec, EmoDCScale, EmoDCTrainSpec, Robustness
from facetory.emodc.timing_spec import EmoDCTimingSpec
from facetory.pipeline.config import Settings
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.registry import Placed
from facetory.pipeline.suggest import unknown
from facetory.recognition import planning as recognition
from facetory.recognition.scale import RecognitionScale
from facetory.recognition.spec import ClassifierEvalSpec, ClassifierSpec

MODEL_KEYS = {"loss", "lambda_1", "margin", "alpha", "non_negative_prompt"}
SHARED = EmoDCScale.model_fields.keys() & EmoDCTrainSpec.model_fields.keys()
"""Training fields that a scale chooses."""
RACED = ("race ", "full ", "fixed ")
"""How the metrics of a race begin: the race itself, the full grid and the fixed one beside it."""
TIMED = ("training_hours", "milliseconds", "frames_per_second")
Request = dict[str, Any]


@dataclass(frozen=True)
class Expansion:
    """A paper's file at one scale; ``placed`` and ``backbone_missing`` say why something cannot be used."""

    settings: Settings
    scale: EmoDCScale
    recognition: RecognitionScale
    paper: dict[str, Any]
    placed: Placed
    backbone_missing: Placed
    demands: dict[tuple[str, ...], Demand] = field(default_factory=dict)
    timed: list[Request] = field(default_factory=list)


@dataclass
class Demand:
    """What all cells together ask of one model on one dataset: one evaluation, or generation, serves them."""

    timesteps: set[int] = field(default_factory=set)
    corruptions: dict[str, None] = field(default_factory=dict)
    guidance_scales: set[float] = field(default_factory=set)


def demand(request: Request, expansion: Expansion) -> Demand:
    """The demand that a request belongs to."""
    return expansion.demands.setdefault(_demand_key(request, expansion), Demand())


def note(request: Request, expansion: Expansion) -> None:
    """Add a request to its demand."""
    if is_raced(request):
        return
    if request.get("metric") in TIMED:
        expansion.timed.append(request)
        return
    asked = demand(request, expansion)
    if "guidance_scale" in request:
        asked.guidance_scales.add(request["guidance_scale"])
        return
    asked.timesteps.update(timesteps(request, expansion) or ())
    asked.corruptions[request.get("corruption", "clean")] = None


def is_discriminative(request: Request, expansion: Expansion) -> bool:
    """Whether a request's model is a discriminative classifier; an unknown model is a `FacetoryError`."""
    known = [*expansion.paper["runs"], *expansion.paper["classifiers"]]
    if request["run"] not in known:
        raise unknown("run", request["run"], known, "emodc.yaml")
    return request["run"] in expansion.paper["classifiers"]


def is_raced(request: Request) -> bool:
    """Whether a request asks for a number of a race."""
    return str(request.get("metric", "")).startswith(RACED)


def seeds(request: Request, expansion: Expansion) -> tuple[int, ...]:
    """The seeds of a request: the scale's, or its ``seed``, which counts from the scale's first.

    What is timed or races has the first alone.
    """
    own = expansion.settings.scale.seeds
    if "seed" in request:
        return (own[0] + request["seed"],)
    return own[:1] if request.get("metric") in TIMED or is_raced(request) else own


def train_slot(request: Request) -> str:
    """The slot a request's model is trained on."""
    return str(request.get("train_slot", request["slot"]))


def timesteps(request: Request, expansion: Expansion) -> tuple[int, ...] | None:
    """The 0-based timesteps a request averages over; None when this scale does not run that many."""
    if is_discriminative(request, expansion):
        return (0,)
    if "timestep" in request:
        return _swept(request["timestep"], expansion.scale.sweep)
    if request.get("metric") in TIMED:
        steps: int = request["steps"]
        timed = expansion.scale.timing.timesteps.get(steps, steps)
        return evaluation_timesteps(request["run"], timed)
    if request["steps"] == 1:
        return evaluation_timesteps(request["run"], 1)
    own = expansion.scale.grids.get(request["steps"])
    return tuple(grid(own)) if own else None


def _swept(timestep: int, sweep: bool | tuple[int, ...]) -> tuple[int, ...] | None:
    """One of the paper's single timesteps, where a scale's sweep has it."""
    swept = timestep in sweep if isinstance(sweep, tuple) else sweep
    return (paper_timestep(timestep),) if swept else None


def model(request: Request, expansion: Expansion) -> dict[str, Any]:
    """The run's hyper-parameters: the first value of each grid, overridden by the request's own keys."""
    grids = expansion.paper["runs"][request["run"]]
    chosen = {key: values[0] for key, values in grids.items()}
    for key in MODEL_KEYS & request.keys():
        if key not in grids or request[key] not in grids[key]:
            raise FacetoryError(
                f"emodc.yaml: row '{request['row']}' asks for {key}={request[key]!r}, which run "
                f"'{request['run']}' does not list ({grids.get(key)})."
            )
        chosen[key] = request[key]
    return chosen


def train_spec(request: Request, seed: int, expansion: Expansion) -> EmoDCTrainSpec | None:
    """The run of a request for one seed; None for the zero-shot model."""
    chosen, scale, settings = model(request, expansion), expansion.scale, expansion.settings
    if not chosen:
        return None
    slot = train_slot(request)
    if slot not in scale.budgets:
        raise FacetoryError(f"{settings.config.scale}.yaml: emodc: budgets: slot '{slot}' has no budget.")
    return EmoDCTrainSpec(
        **chosen,
        **scale.budgets[slot].model_dump(),
        **{key: getattr(scale, key) for key in SHARED} | {"precision": settings.precision(scale.precision)},
        dataset=settings.dataset_of(slot),
        device=settings.device,
        threads=settings.scale.threads,
        seed=seed,
        repeat=request.get("repeat", 0),
        reading=settings.config.reading,
    )


def evaluation(request: Request, train: EmoDCTrainSpec | None, expansion: Expansion) -> EmoDCEvalSpec:
    """The evaluation of a run that serves a request and all others of its demand."""
    scale, settings, asked = expansion.scale, expansion.settings, demand(request, expansion)
    dataset = settings.dataset_of(request["slot"])
    limits = {
        "clean": None,
        "corrupted": scale.robustness.images_per_class,
        "prompts": scale.correlation_images_per_class,
    }
    return EmoDCEvalSpec(
        train=train,
        backbone=scale.backbone,
        dataset=dataset,
        split=settings.split_of(dataset),
        px=scale.px if train else scale.zero_shot_px,
        timesteps=tuple(sorted(asked.timesteps)),
        corruptions=tuple(asked.corruptions),
        order=scale.robustness.order if _purpose(request) == "corrupted" else "align_then_corrupt",
        images_per_class=limits[_purpose(request)],
        extra_prompts=request.get("extra_prompts", False),
        noise_seed=scale.noise_seed,
        batch_size=scale.evaluation_batch_size,
        precision=settings.precision(scale.evaluation_precision),
        device=settings.device,
        threads=settings.scale.threads,
    )


def generation(request: Request, train: EmoDCTrainSpec, expansion: Expansion) -> EmoDCGenerateSpec:
    """The faces that a run draws at every guidance scale that any cell asks for."""
    settings, scale = expansion.settings, expansion.scale
    return EmoDCGenerateSpec(
        train=train,
        backbone=scale.backbone,
        dataset=settings.dataset_of(request["slot"]),
        px=scale.px,
        guidance_scales=tuple(sorted(demand(request, expansion).guidance_scales)),
        **scale.generation.model_dump(),
        device=settings.device,
        threads=settings.scale.threads,
    )


def race(request: Request, train: EmoDCTrainSpec, expansion: Expansion) -> RaceSpec:
    """A race of a run against its full grid, which is the paper's at every scale."""
    scale, settings = expansion.scale, expansion.settings
    dataset = settings.dataset_of(request["slot"])
    return RaceSpec(
        train=train,
        backbone=scale.backbone,
        dataset=dataset,
        split=settings.split_of(dataset),
        px=scale.px,
        **scale.racing.model_dump(),
        noise_seed=scale.noise_seed,
        batch_size=scale.evaluation_batch_size,
        precision=settings.precision(scale.evaluation_precision),
        device=settings.device,
        threads=settings.scale.threads,
    )


def timing(expansion: Expansion) -> EmoDCTimingSpec | None:
    """The one job that times all models of Table IX that can run; None where EmoDC's own cannot.

    The numbers of timesteps are the paper's, whatever grids the scale evaluates, unless `Timing` says other.
    """
    scale, settings = expansion.scale, expansion.settings
    requests = [request for request in expansion.timed if not why_not(request, expansion)]
    own = [request for request in requests if not is_discriminative(request, expansion)]
    others = [request for request in requests if is_discriminative(request, expansion)]
    if not own:
        return None
    train = train_spec(own[0], settings.scale.seeds[0], expansion)
    if train is None:
        raise FacetoryError("emodc.yaml: table9: the zero-shot model has no training to time.")
    classifiers = (classifier_spec(request, settings.scale.seeds[0], expansion) for request in others)
    return EmoDCTimingSpec(
        train=train,
        classifiers=tuple({spec.id: spec for spec in classifiers}.values()),
        dataset=train.dataset,
        split=settings.split_of(train.dataset),
        px=scale.px,
        timesteps={r["steps"]: timesteps(r, expansion) or () for r in own},
        **scale.timing.model_dump(exclude={"timesteps"}),
        batch_rows=scale.evaluation_batch_size,
        precision=settings.precision(scale.evaluation_precision),
        device=settings.device,
        threads=settings.scale.threads,
    )


def classifier_spec(request: Request, seed: int, expansion: Expansion) -> ClassifierSpec:
    """The discriminative classifier of a request for one seed."""
    chosen, scale = expansion.paper["classifiers"][request["run"]], expansion.scale
    slot, settings = train_slot(request), expansion.settings
    return recognition.classifier_spec(
        chosen, slot, seed, expansion.recognition, settings, scale.px, scale.backbone
    )


def classification(request: Request, train: ClassifierSpec, expansion: Expansion) -> ClassifierEvalSpec:
    """The evaluation of a discriminative classifier: clean, and all corruptions that any cell asks for."""
    settings, asked = expansion.settings, demand(request, expansion)
    dataset = settings.dataset_of(request["slot"])
    robustness = expansion.scale.robustness if len(asked.corruptions) > 1 else Robustness()
    return ClassifierEvalSpec(
        train=train,
        dataset=dataset,
        split=settings.split_of(dataset),
        corruptions=tuple(asked.corruptions),
        order=robustness.order,
        images_per_class=robustness.images_per_class,
        noise_seed=expansion.scale.noise_seed,
        batch_size=expansion.recognition.evaluation_batch_size,
        device=settings.device,
        threads=settings.scale.threads,
    )


def why_not(request: Request, expansion: Expansion) -> str | None:
    """Why a request cannot be measured at this scale, or None."""
    settings = expansion.settings
    if settings.config.reading != "paper":
        return "EmoDC has no released code and no corrected reading: reading paper is its only one"
    for slot in dict.fromkeys((train_slot(request), request["slot"])):
        if reason := expansion.placed(settings.dataset_of(slot)):
            return reason
    if is_discriminative(request, expansion):
        spec = classifier_spec(request, 0, expansion)
        if reason := recognition.weights_missing(spec, request["run"], settings):
            return reason
        return expansion.backbone_missing(spec.backbone) if spec.backbone else None
    if reason := expansion.backbone_missing(expansion.scale.backbone):
        return reason
    if "timestep" in request and timesteps(request, expansion) is None:
        return f"scale {settings.config.scale} does not sweep over this timestep"
    if "steps" in request and timesteps(request, expansion) is None:
        grids = ", ".join(map(str, expansion.scale.grids.values()))
        return f"scale {settings.config.scale} runs grids of {grids} timesteps, none in place of this one"
    return None


def _purpose(request: Request) -> str:
    if "guidance_scale" in request:
        return "generation"
    if request.get("extra_prompts"):
        return "prompts"
    return "clean" if request.get("corruption", "clean") == "clean" else "corrupted"


def _demand_key(request: Request, expansion: Expansion) -> tuple[str, ...]:
    settings = expansion.settings
    discriminative = is_discriminative(request, expansion)
    chosen = [] if discriminative else sorted(model(request, expansion).items())
    datasets = [settings.dataset_of(slot) for slot in (train_slot(request), request["slot"])]
    own = (request["run"], repr(chosen), *datasets, "" if discriminative else _purpose(request))
    apart = {*seeds(request, expansion)} - {*settings.scale.seeds}
    return (*own, *map(str, apart), *(["again"] if "repeat" in request else []))
