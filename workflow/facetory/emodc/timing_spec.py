"""What Table IX measures: whose speed, at how many timesteps, on how many faces."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from facetory.emodc.spec import EmoDCTrainSpec
from facetory.pipeline.spec import Precision, Spec
from facetory.recognition.spec import ClassifierSpec


class EmoDCTimingSpec(Spec):
    """Time from aligned faces to a decision: a run of EmoDC, and discriminative classifiers beside it.

    ``timesteps`` maps a table's number of steps to the timesteps that are averaged.  One face at a time is
    measured on ``images`` faces, batches at each of ``batch_sizes``; medians are those of ``repeats`` rounds.
    """

    train: EmoDCTrainSpec
    classifiers: tuple[ClassifierSpec, ...] = ()
    dataset: str
    split: str
    px: int
    timesteps: dict[int, tuple[int, ...]]
    images: int = Field(default=16, ge=1)
    repeats: int = Field(default=20, ge=2)
    batch_sizes: tuple[int, ...] = (4, 16, 64)
    batch_rows: int = 512
    precision: Precision = "no"
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1

    def slug(self) -> list[str]:
        """The run and the dataset whose faces are decided."""
        target = [] if self.train.dataset == self.dataset else [self.dataset]
        return [*self.train.slug(), *target, "timing"]
