"""What an edit costs: multiply-accumulates of its networks, and how many unguided edits cost as much."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from facetory.smc.sampler_spec import Sampler
from facetory.smc.timesteps import edit_timesteps, scorings

if TYPE_CHECKING:
    from torch import Tensor


def multiply_accumulates(network: Callable[[Tensor], Tensor], row: Tensor) -> int:
    """Multiply-accumulates of one row (1, …) through a network, counted by torch on tensors without data.

    Half of its floating-point operations: those of convolutions and matrix products, attention's included
    (which is spelled out for the counter, as the CPU's fused kernel hides from it).
    """
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    math = sdpa_kernel(SDPBackend.MATH)
    with torch.no_grad(), math, FakeTensorMode(allow_non_fake_inputs=True) as fake:
        shape = fake.from_tensor(row)
        with FlopCounterMode(display=False) as counter:
            network(shape)
    return counter.get_total_flops() // 2


def shape_after(network: Callable[[Tensor], Tensor], row: Tensor) -> tuple[int, ...]:
    """The shape of a network's output for one row, found on tensors without data."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True) as fake:
        return tuple(network(fake.from_tensor(row)).shape)


def rows_of_smc(sampler: Sampler) -> dict[str, int]:
    """Rows that the SMC sampler of these fields sends through the UNet and to the guide, a face, unshared.

    N K through the UNet, with K steps and N particles; N S to the guide, with S scorings: those of
    `timesteps.scorings`, and that of the final images.
    """
    steps = len(edit_timesteps(sampler.inference_steps, sampler.noise_strength))
    scored = {*scorings(steps, sampler), steps - 1}
    return {"unet": sampler.particles * steps, "score": sampler.particles * len(scored)}


def equal_cost_particles(sampler: Sampler, costs: Mapping[str, int]) -> int:
    """How many unguided edits cost what the SMC sampler of these fields costs without sharing: n ≥ 1.

    n = ⌊N (K u + S v) / (K u + v)⌋, with N, K and S as in `rows_of_smc`: an edit costs K u, and v for the
    score that chooses among them.  ``costs`` are a row's multiply-accumulates through "unet" (u), "decode"
    and "guide" (together v).
    """
    rows = rows_of_smc(sampler)
    score = costs["decode"] + costs["guide"]
    alone = rows["unet"] // sampler.particles * costs["unet"] + score
    return max(1, (rows["unet"] * costs["unet"] + rows["score"] * score) // alone)
