"""Random tensors by name: each is a function of (seed, purpose, step, first position of the batch, shape).

`pipeline.randomness` keys every sample by itself; for the full model (1.2 million numbers a step) that takes
30 ms of a CPU where torch takes 4.  Here one generator makes the draws of a whole batch, so they also depend
on the order of the batch, which is a function of the seed and the step as well.
"""

from __future__ import annotations

import torch
from torch import Tensor

from facetory.pipeline.randomness import stream_key


def generator(
    seed: int, purpose: str, step: int, device: str | torch.device, first: int = 0
) -> torch.Generator:
    """The generator of one purpose at one step; ``first`` tells the parts of an accumulated batch apart."""
    return torch.Generator(device).manual_seed(stream_key(seed, "affectdiff", purpose, step, first) >> 1)


def normal(
    seed: int, purpose: str, step: int, shape: tuple[int, ...], device: str | torch.device, first: int = 0
) -> Tensor:
    """Standard normal draws, float32."""
    return torch.randn(shape, generator=generator(seed, purpose, step, device, first), device=device)


def uniform(
    seed: int, purpose: str, step: int, shape: tuple[int, ...], device: str | torch.device, first: int = 0
) -> Tensor:
    """Uniform draws in [0, 1), float32."""
    return torch.rand(shape, generator=generator(seed, purpose, step, device, first), device=device)
