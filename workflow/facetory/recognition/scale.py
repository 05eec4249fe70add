"""The `recognition` part of a scale: how the discriminative classifiers are trained."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from facetory.pipeline.spec import Precision


class ClassifierBudget(BaseModel):
    """Training length on one slot."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    steps: int
    batch_size: int = 64


class RecognitionScale(BaseModel):
    """Sizes, budgets by slot, and where authors' checkpoints lie below data_root: {network: {slot: path}}.

    ``px`` is the side of the faces that every network is given (it resizes them to its own), ``cnn_px``
    that of the control on pixels.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    size: Literal["paper", "small"] = "paper"
    px: int = 112
    cnn_px: int = 64
    budgets: dict[str, ClassifierBudget] = {}
    cnn_budgets: dict[str, ClassifierBudget] = {}
    lr: float = 1e-4
    cnn_lr: float = 1.5e-3
    decay: Literal["constant", "cosine"] = "cosine"
    weight_decay: float = 0.01
    precision: Precision = "no"
    checkpoint_every: int = 500
    evaluation_batch_size: int = 256
    weights: dict[str, dict[str, str]] = {}
