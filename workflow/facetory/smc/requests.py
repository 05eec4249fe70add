"""What a cell of papers/smc.yaml may ask for, checked before anything runs: a typo changes no experiment."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from facetory.data.labels import ALIASES, BASIC, COMPOUND
from facetory.pipeline.suggest import unknown, validated
from facetory.smc.sampler_spec import Sampler

Request = dict[str, Any]
Metric = Literal[
    "emotion_score",
    "judge_score",
    "flip_rate",
    "realism",
    "identity",
    "distance",
    "frechet",
    "split_frechet",
    "ess",
    "unique_ancestors",
    "seconds",
    "cost",
    "parameters",
    "last_loss",
    "samples_realism",
    "psnr",
    "reconstruction_distance",
]
"""Those of `estimates.EDIT_METRICS`, then those of `model_cells`."""
FIELDS = Sampler.model_fields.keys()
RANDOM = "random"
TARGETS = (*BASIC, *COMPOUND, *ALIASES, RANDOM)


class Asked(BaseModel):
    """A cell's keys beside the sampler's fields: those of its table, its column and its row.

    ``minus`` are the keys in which the other edit of a difference is another.
    """

    model_config = ConfigDict(extra="forbid")

    row: str
    column: str
    kind: str
    published: float | None
    metric: Metric
    slot: str
    unit: str = "%"
    ours: bool = False
    sampler: str | None = None
    target: str | None = None
    guide: Literal["latents"] | None = None
    decoder: Literal["small"] | None = None
    images: Literal["ablation", "comparison", "shown"] = "ablation"
    snapshots: bool = False
    minus: Request | None = None
    of: Literal["reconstruction"] | None = None
    attribute: str | None = None
    shown: bool | None = None


def checked(request: Request, slots: Collection[str], where: str) -> Request:
    """The request itself; an unknown key or slot, or a value that a key cannot have, is a `FacetoryError`."""
    known = Asked.model_fields.keys()
    _no_others(request, known | FIELDS, where)
    validated(Asked, {key: request[key] for key in known & request.keys()}, where)
    validated(Sampler, {key: request[key] for key in FIELDS & request.keys()}, where)
    if request["slot"] not in slots:
        raise unknown("slot", request["slot"], slots, where)
    if request.get("target", RANDOM) not in TARGETS:
        raise unknown("target", request["target"], TARGETS, where)
    if "minus" in request:
        other = {key: value for key, value in request.items() if key != "minus"}
        checked(other | request["minus"], slots, f"{where}: minus")
    return request


def checked_baseline(baseline: Request, where: str) -> None:
    """A baseline states a target and fields of the sampler; anything else is a `FacetoryError`."""
    _no_others(baseline, {"target"} | FIELDS, where)
    validated(Sampler, {key: baseline[key] for key in FIELDS & baseline.keys()}, where)


def _no_others(request: Request, known: Collection[str], where: str) -> None:
    for key in request:
        if key not in known:
            raise unknown("key", key, known, where)
