"""Which timesteps an evaluation looks at (Sections IV-C1 and IV-C4); indices count from 0."""

from __future__ import annotations

from typing import Literal

from facetory.pipeline.files import FacetoryError

TIMESTEPS = 1000


def paper_timestep(timestep: int) -> int:
    """The index of one of the paper's timesteps, which count from 1 to 1000."""
    return timestep - 1


SWEEP = tuple(paper_timestep(timestep) for timestep in (1, *range(100, TIMESTEPS + 1, 100)))
ONE_STEP = {"zero_shot": 400, "base": 400, "codit": 400, "fmdit": 100, "amdit": 100}


def one_step_timestep(loss: str) -> int:
    """Index of the 1-step evaluation: the 400th timestep for zero-shot, base and codit, else the 100th."""
    return paper_timestep(ONE_STEP[loss])


def grid(steps: int) -> tuple[int, ...]:
    """Evenly spaced timesteps of an N-step evaluation, as in the diffusion classifier's reference code.

    N = 1 gives (500,), 10 gives 50, 150, …, 950; 1000 gives them all.  N must lie in 1..1000.
    """
    if not 1 <= steps <= TIMESTEPS:
        raise FacetoryError(
            f"steps: {steps} is outside 1..{TIMESTEPS}. Choose how many timesteps to average."
        )
    stride = TIMESTEPS // steps
    return tuple(range(stride // 2, TIMESTEPS, stride)[:steps])


def evaluation_timesteps(loss: str, steps: int) -> tuple[int, ...]:
    """The timesteps behind a table's "N-step" column for a model trained with ``loss``."""
    return (one_step_timestep(loss),) if steps == 1 else grid(steps)


def steps_of(text: str) -> int | Literal["auto"]:
    """A number of timesteps as people type it: 1 to 1000, or "auto"."""
    if text == "auto":
        return "auto"
    if not text.isdigit() or not 1 <= int(text) <= TIMESTEPS:
        raise FacetoryError(f"steps {text!r}: choose 1, 10, 100, another number up to {TIMESTEPS}, or auto.")
    return int(text)


def union(*grids: tuple[int, ...]) -> tuple[int, ...]:
    """All timesteps of several grids, sorted: what one evaluation record must hold to serve them all."""
    return tuple(sorted(set().union(*grids)))
