"""How a task is trained: sizes, rates and the order of samples, all functions of seed and step."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from facetory.pipeline import randomness
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.spec import FaceTrainSpec, TrainSpec


@dataclass(frozen=True)
class Schedule:
    """How a task is trained.

    ``batch_size`` samples make one optimiser step, in ``accumulation`` equal parts.  The learning rate rises
    linearly over ``warmup`` steps, then stays ("constant") or falls to zero ("cosine").  ``ema`` is the decay
    of the weights' running mean (0: none), which replaces the weights at the end; only weights whose names
    start with ``ema_of`` have one.  ``select`` names a number of the validation: the weights at its maximum
    are those that are kept, and after ``patience`` validations without a new maximum (0: never) training
    ends.  Training diverges when the
    running mean of |``watched``| ("loss" or a reported number) exceeds ``divergence_factor`` times its mean
    over the first 10 steps.  ``minutes`` ends training (and the cosine) early; it makes results depend on the
    machine, so it is for pretraining alone.  ``threads`` is torch's (0: as it is).
    """

    steps: int
    batch_size: int
    lr: float = 1e-4
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float = 1.0
    accumulation: int = 1
    precision: Literal["no", "bf16", "fp16"] = "no"
    warmup: int = 0
    decay: Literal["constant", "cosine"] = "constant"
    ema: float = 0.0
    ema_of: str = ""
    select: str = ""
    patience: int = 0
    checkpoint_every: int = 500
    log_every: int = 10
    validate_every: int = 0
    divergence_factor: float = 10.0
    watched: str = "loss"
    minutes: float = 0.0
    threads: int = 0
    seed: int = 0

    @classmethod
    def of(cls, spec: TrainSpec, **own: Any) -> Schedule:
        """The schedule of a training spec: the fields that both have, and ``own`` ones beside them."""
        shared = {field.name for field in fields(cls)} & FaceTrainSpec.model_fields.keys()
        shared &= type(spec).model_fields.keys()
        return cls(**{name: getattr(spec, name) for name in shared} | own)

    def __post_init__(self) -> None:
        if self.batch_size % self.accumulation:
            raise FacetoryError(
                f"batch_size {self.batch_size} does not divide into accumulation {self.accumulation} parts. "
                "Choose an accumulation that divides it."
            )


def batch_positions(step: int, batch_size: int, size: int, seed: int) -> np.ndarray:
    """Positions of the samples of one optimiser step, shape (batch_size,), int64.

    The steps cut an endless row of epochs into batches; each epoch is a permutation of range(size) keyed by
    (seed, "batches", epoch), so every sample comes once an epoch and no batch depends on the one before.
    """
    if size < 1:
        raise FacetoryError("training: there are no samples. See the ledger of the stage before.")
    first, end = step * batch_size, (step + 1) * batch_size
    epochs = range(first // size, (end - 1) // size + 1)
    row = np.concatenate([_epoch(size, seed, epoch) for epoch in epochs])
    offset = first - epochs[0] * size
    return row[offset : offset + batch_size]


@lru_cache(maxsize=4)
def _epoch(size: int, seed: int, epoch: int) -> np.ndarray:
    return randomness.permutation(size, seed, "batches", epoch)


def learning_rate_factor(schedule: Schedule, step: int, seconds: float = 0.0) -> float:
    """The factor on the learning rate at a step (0-based), given the seconds spent so far."""
    rise = min(1.0, (step + 1) / schedule.warmup) if schedule.warmup else 1.0
    if schedule.decay == "constant":
        return rise
    done = step / schedule.steps
    if schedule.minutes:
        done = max(done, seconds / (60 * schedule.minutes))
    return rise * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def time_is_up(schedule: Schedule, seconds: float) -> bool:
    """Whether the schedule's minutes are over."""
    return bool(schedule.minutes) and seconds >= 60 * schedule.minutes
