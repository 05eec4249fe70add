"""What a generation of facial expressions is asked for (Fig. 7)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from facetory.emodc.spec import EmoDCTrainSpec
from facetory.pipeline.spec import Spec


class EmoDCGenerateSpec(Spec):
    """Faces of every class of a dataset by a run, at each guidance scale (EmoDC, Section IV-C8).

    ``steps`` counts the sampler's timesteps, which the paper does not state.
    """

    train: EmoDCTrainSpec
    backbone: str
    dataset: str
    px: int
    guidance_scales: tuple[float, ...] = Field(default=(3.0, 5.0), min_length=1)
    steps: int = Field(default=50, ge=1, le=999)
    per_class: int = Field(default=2, ge=1)
    seed: int = 0
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1

    def slug(self) -> list[str]:
        """The run, and the dataset whose classes it draws."""
        target = [] if self.train.dataset == self.dataset else [self.dataset]
        return [*self.train.slug(), *target, "generated"]
