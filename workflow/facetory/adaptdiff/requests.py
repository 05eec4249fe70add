"""What a cell of papers/adaptdiff.yaml may ask for, checked before anything runs: a typo changes nothing."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from facetory.adaptdiff.spec import Method, Negative
from facetory.pipeline.suggest import unknown, validated
from facetory.recognition.face_spec import Embedder

Request = dict[str, Any]
SEPARATED = ("eer", "fmr100", "fmr1000", "fdr")
MOMENTS = ("genuine_mean", "genuine_std", "impostor_mean", "impostor_std")
DIVERSITY = (
    "diversity_pixels",
    "diversity_features",
    "diversity_light",
    "diversity_asymmetry",
    "diversity_perceptual",
    "genuine_std_within",
    "genuine_std_between",
    "identity_spread",
)
LEAKAGE = ("leakage_mean", "leakage_p99", "leakage_max", "leakage_asked")
VERIFIED = ("accuracy", "mean_accuracy", "tar")
METRICS = (*SEPARATED, *MOMENTS, *DIVERSITY, *LEAKAGE, *VERIFIED)
"""The first word of a metric; that of "tar" is followed by the false accept rate."""


class Asked(BaseModel):
    """A cell's keys: those of its table, its column and its row.

    ``slot`` is what the generator learnt from, or of authentic faces their own.  ``of`` says whose faces are
    measured or learnt from; an "embedder" is examined itself.  ``w_max`` "mean" is the
    mean of AdaptDiff's w over the sampler's timesteps.  ``benchmark`` is a slot, ``size`` the scale's.
    """

    model_config = ConfigDict(extra="forbid")

    row: str
    column: str
    kind: str
    published: float | None
    metric: str
    slot: str
    of: Literal["synthesis", "authentic", "embedder"] = "synthesis"
    embedder: Embedder | None = None
    split: Literal["train", "validation", "test", "all"] = "train"
    schedule: Literal["none", "constant", "linear", "reverse"] = "linear"
    w_max: float | Literal["mean"] = 1.0
    negative: Negative = "far"
    sampler: Method = "ddpm"
    steps: int = 1000
    released: bool | None = None
    size: Literal["full", "ablation"] = "full"
    augment: bool = True
    benchmark: str | None = None
    unit: str = ""
    ours: bool = False


def checked(request: Request, slots: Collection[str], where: str) -> Asked:
    """The request with every key; an unknown key, slot or metric is a `FacetoryError`."""
    for key in request:
        if key not in Asked.model_fields:
            raise unknown("key", key, Asked.model_fields, where)
    asked = validated(Asked, request, where)
    for slot in (asked.slot, asked.benchmark):
        if slot is not None and slot not in slots:
            raise unknown("slot", slot, slots, where)
    metric = asked.metric.partition(" ")[0]
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS, where)
    return asked
