"""What a cell of papers/affectdiff.yaml may ask for, checked before anything runs: a typo changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from facetory.affectdiff.counterfactual_estimates import METRICS as COUNTERFACTUAL
from facetory.affectdiff.estimates import METRICS as SCORED
from facetory.affectdiff.spec import CONDITIONS, ModelSpec, RecognizerSpec
from facetory.pipeline.suggest import unknown, validated

Request = dict[str, Any]
LATENCY = ("latency", "latency_single")
OF_RUN = ("parameters", "trainable", "peak_epoch", "last_loss", "weight", "trajectory")
OF_DATA = ("raw_segments", "segments", "part", "width", "length", "classes", "majority")
METRICS = (*SCORED, *COUNTERFACTUAL, *LATENCY, *OF_RUN, *OF_DATA)
"""The first word of a metric; others follow it ("f1 Fear", "part train")."""
FIELDS = (ModelSpec.model_fields.keys() | RecognizerSpec.model_fields.keys()) - {
    "dims",
    "classes",
    "model",
    "alignment",
    "dataset",
    "seed",
    "reading",
}
"""Fields of a model and of its training that a configuration may set."""


class Asked(BaseModel):
    """A cell's keys: those of its table, its column and its row.

    ``minus`` names another configuration, from whose score the difference is taken segment by segment.
    ``condition`` is how the test split is corrupted.  ``seeds`` are the main ones, those of
    the ablations, the others, or one of the main ones by its place.
    """

    model_config = ConfigDict(extra="forbid")

    row: str
    column: str
    kind: str
    published: float | None
    metric: str
    slot: str
    model: str
    minus: str | None = None
    condition: str | None = None
    seeds: Literal["main", "ablations", "other"] | int = "main"
    unit: str = ""
    ours: bool = False


class Configuration(BaseModel):
    """A named model: Affect-Diff or a baseline, and what it has otherwise than the reading's own.

    ``text`` "sentiment" and ``features`` "homepage" are the scale's features for those runs.
    """

    model_config = ConfigDict(extra="forbid")

    baseline: Literal["tfn", "mult", "misa", "mmim", "tetfn"] | None = None
    size: Literal["lite", "faithful"] = "lite"
    features: Literal["own", "sentiment", "homepage"] = "own"
    policy: Literal["strict", "masked", "code"] | None = None
    fields: dict[str, Any] = {}


def checked(request: Request, slots: Collection[str], models: Collection[str], where: str) -> Request:
    """The request, its condition in its metric; an unknown key, slot, model, metric is a `FacetoryError`."""
    for key in request:
        if key not in Asked.model_fields:
            raise unknown("key", key, Asked.model_fields, where)
    validated(Asked, request, where)
    if request["slot"] not in slots:
        raise unknown("slot", request["slot"], slots, where)
    for name in (request["model"], request.get("minus")):
        if name is not None and name not in models:
            raise unknown("model", name, models, where)
    if request["metric"].partition(" ")[0] not in METRICS:
        raise unknown("metric", request["metric"].partition(" ")[0], METRICS, where)
    if "condition" not in request:
        return request
    if request["condition"] not in CONDITIONS:
        raise unknown("condition", request["condition"], CONDITIONS, where)
    return {**request, "metric": f"{request['metric']} {request['condition']}"}


def configurations(paper: Mapping[str, Any], reading: str) -> dict[str, Configuration]:
    """The paper's named models; what the reading states, unless a model states it itself, comes first.

    A field that neither the model nor its training has is a `FacetoryError`.
    """
    found = {}
    for name, content in paper["models"].items():
        own = dict(content)
        where = f"affectdiff.yaml: models: {name}"
        known = Configuration.model_fields.keys() - {"fields"}
        asked = {key: own.pop(key) for key in [*own] if key in known}
        kind = "baselines" if "baseline" in asked else "models"
        fields = {**paper["readings"][reading].get(kind, {}), **own}
        for key in fields:
            if key not in FIELDS:
                raise unknown("field", key, [*known, *FIELDS], where)
        found[name] = validated(Configuration, {**asked, "fields": fields}, where)
    return found
