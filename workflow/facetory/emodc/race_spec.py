"""The spec of a race: a trained run on a split, by sequential elimination and on the full grid."""

from __future__ import annotations

from typing import Literal

from facetory.emodc.spec import EmoDCTrainSpec
from facetory.pipeline.spec import Precision, Spec


class RaceSpec(Spec):
    """The full grid has ``steps`` timesteps; ``images_per_class`` bounds the samples (None: the whole split).

    People are dealt into ``folds``.  Each races with what the others calibrate for ``target_agreement``, and
    once more at each of ``thresholds``; beside it stands a grid of ``fixed_steps`` timesteps.
    """

    train: EmoDCTrainSpec
    backbone: str
    dataset: str
    split: str
    px: int
    steps: int = 100
    images_per_class: int | None = None
    target_agreement: float = 0.995
    folds: int = 5
    thresholds: tuple[float, ...] = (1.5, 2.5, 3.5)
    fixed_steps: int = 10
    noise_seed: int = 0
    batch_size: int = 512
    precision: Precision = "no"
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1

    def slug(self) -> list[str]:
        """The run, and on what it races."""
        target = [] if self.train.dataset == self.dataset else [self.dataset]
        return [*self.train.slug(), *target, self.split]
