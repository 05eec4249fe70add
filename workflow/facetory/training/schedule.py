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

    ``batch_size`` samples make one optimiser step, in ``accumulation`` equal parts.  The optimiser is AdamW
    with ``betas``, or SGD with ``momentum``.  The learning rate rises linearly over ``warmup`` steps, then
    stays ("constant"); falls to zero ("cosine"), again and again over cycles of which the first has
    ``restart`` steps and each is twice the one before ("cosine_restarts", Loshchilov & Hutter 2017); or falls
    tenfold: at the ``milestones``, steps ("milestones"), or after more than ``plateau_patience`` validations
    without a new maximum of ``select`` ("plateau").

    ``ema`` is the decay of the weights' running mean (0: none), which replaces the weights at the end; with
    ``ema_power`` p it is the ceiling of 1 − (1 + step)^−p.  Only weights whose names start with ``ema_of``
    have one.  ``select`` names a number of the validation: the weights at its maximum are those that are
    kept, and after ``patience`` validations without a new maximum (0: never) training ends.  Training
    diverges when the running mean of |``watched``| ("loss" or a reported number) exceeds
    ``divergence_factor`` times its mean over the first 10 steps.  ``minutes`` ends training (and the cosine)
    early; it makes results depend on the machine, so it is for pretraining alone.  ``threads`` is torch's
    (0: as it is).
    """

    steps: int
    batch_size: int
    lr: float = 1e-4
    weight_decay: float = 0.01
    optimizer: Literal["adamw", "sgd"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = 0.9
    clip: float = 1.0
    accumulation: int = 1
    precision: Literal["no", "bf16", "fp16"] = "no"
    warmup: int = 0
    decay: Literal["constant", "cosine", "cosine_restarts", "milestones", "plateau"] = "constant"
    restart: int = 0
    milestones: tuple[int, ...] = ()
    plateau_patience: int = 0
    ema: float = 0.0
    ema_power: float = 0.0
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
        if self.decay == "cosine_restarts" and self.restart < 1:
            raise FacetoryError(f"restart {self.restart}: the first cycle has at least one step.")
        if self.decay == "plateau" and not (self.select and self.validate_every):
            raise FacetoryError("a plateau is seen in a validated number: name it in `select`.")


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


def learning_rate_factor(schedule: Schedule, step: int, seconds: float = 0.0, falls: int = 0) -> float:
    """The factor on the learning rate at a step (0-based), given the seconds spent and the falls so far."""
    rise = min(1.0, (step + 1) / schedule.warmup) if schedule.warmup else 1.0
    match schedule.decay:
        case "constant":
            return rise
        case "cosine_restarts":
            done = cycle_position(step, schedule.restart)
        case "milestones":
            return rise * 0.1 ** sum(step >= milestone for milestone in schedule.milestones)
        case "plateau":
            return rise * 0.1**falls
        case "cosine":
            done = step / schedule.steps
            if schedule.minutes:
                done = max(done, seconds / (60 * schedule.minutes))
    return rise * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def cycle_position(step: int, first: int) -> float:
    """How much of its cycle, 0 … 1, is done; cycles have ``first``, 2·``first``, 4·``first``, … steps."""
    cycle = (step // first + 1).bit_length() - 1
    return (step - first * (2**cycle - 1)) / (first * 2**cycle)


def time_is_up(schedule: Schedule, seconds: float) -> bool:
    """Whether the schedule's minutes are over."""
    return bool(schedule.minutes) and seconds >= 60 * schedule.minutes
