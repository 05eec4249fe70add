"""The `recognition` part of a scale: how the discriminative classifiers are trained."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from facetory.pipeline.spec import Precision


class Recipe(BaseModel):
    """How one network is trained: steps by slot, learning rate, batch size, side of its images.

    ``weights`` names authors' checkpoints below data_root by slot; there nothing is trained.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    steps: dict[str, int]
    lr: float = 1e-4
    batch_size: int = 64
    px: int = 112
    weights: dict[str, str] = {}


class RecognitionScale(BaseModel):
    """The size of all networks, and a `Recipe` for each."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    size: Literal["paper", "small"] = "paper"
    recipes: dict[str, Recipe] = {}
    decay: Literal["constant", "cosine"] = "cosine"
    weight_decay: float = 0.01
    precision: Precision = "no"
    checkpoint_every: int = 500
    evaluation_batch_size: int = 256
