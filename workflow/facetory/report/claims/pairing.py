"""What a wing says of cells that were measured on the same samples (its ``paired.combination``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from facetory.metrics.bootstrap import Estimate
from facetory.pipeline.registry import Plan, PlannedCell


class Term(NamedTuple):
    """A cell as planned, with its coefficient in a sum of cells."""

    coefficient: float
    plan: Plan
    cell: PlannedCell


class Paired(NamedTuple):
    """A sum of cells of the same samples, in the records' units, and by seed where all have the same."""

    estimate: Estimate
    by_seed: tuple[float, ...] = ()


Pair = Callable[[Mapping[str, float]], Paired | None]
"""From coefficients by cell id to what the records of the same samples say, or None."""
