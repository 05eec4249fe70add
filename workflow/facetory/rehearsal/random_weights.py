"""Random weights under which a network of any size gives finite numbers of order one.

A tensor's values follow from its name and shape: biases are zero, scales of normalisations one, everything
else is normal with variance 1 / fan-in.  Values come from one block of random numbers that is laid out from a
place of the tensor's own, because to draw hundreds of millions takes longer than everything else.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from facetory.pipeline.randomness import generator, stream_key

if TYPE_CHECKING:
    from torch import Tensor, nn

BLOCK = 1_048_573
"""Numbers drawn: a prime, so that rows of no matrix begin at the same place of the block."""
INTEGERS = ("num_batches_tracked", "position_ids", "index")
ZEROS = ("bias", "beta", "running_mean")
PRELU = 0.25
SMALLEST_VARIANCE = 1e-3


def random_tensors(shapes: Mapping[str, Sequence[int]], seed: int = 0) -> dict[str, Tensor]:
    """A tensor of each shape by its name: float32, but int64 for counters and tables of positions."""
    import torch

    found = {
        key: torch.empty(tuple(shape), dtype=torch.int64 if key.endswith(INTEGERS) else torch.float32)
        for key, shape in shapes.items()
    }
    for key, tensor in found.items():
        _draw(tensor, key, shapes, seed)
    return found


def fill(module: Any, seed: int = 0) -> Any:
    """Overwrite the parameters and persistent buffers of a module that lies in memory; returns it."""
    weights = module.state_dict()
    for key, tensor in weights.items():
        _draw(tensor, key, weights, seed)
    return module


def hollow(shapes: Mapping[str, Sequence[int]], value: float = 0.0) -> dict[str, Tensor]:
    """A tensor of each shape that repeats one number, so that it takes no memory and no room in a file."""
    import torch

    return {key: torch.tensor(value).expand(tuple(shape)) for key, shape in shapes.items()}


def shapes_of(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor of a module's state by its name; the module may be a plan (on ``meta``)."""
    return {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}


def calibrate(network: nn.Module, images: Tensor) -> None:
    """Set the statistics of every batch norm to those of ``images`` (n, 3, h, w), as training would have.

    Without them the maps of a deep residual network grow from block to block.
    """
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    norms: list[Any] = [module for module in network.eval().modules() if isinstance(module, _BatchNorm)]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    with torch.no_grad():
        network(images)
        for norm in norms:
            norm.running_var.clamp_(min=SMALLEST_VARIANCE)
    network.eval()


def centre(network: nn.Module, head: Any, images: Tensor) -> None:
    """Shift and scale ``head``, the last linear layer: logits of ``images`` have mean 0 and deviation 1.

    Otherwise what all images share would decide, and each would get the same class.
    """
    import torch

    with torch.no_grad():
        logits = network.eval()(images)
        spread = logits.std(0).mean()
        head.weight /= spread
        head.bias -= logits.mean(0)
        head.bias /= spread


def pictures(count: int, px: int, seed: int = 0) -> Tensor:
    """Smooth colours with some noise, float32 (count, 3, px, px) in −1 … 1."""
    import torch
    import torch.nn.functional as F

    draws = generator(seed, "rehearsal", "pictures")
    coarse = torch.from_numpy(draws.standard_normal((count, 3, 7, 7), "float32"))
    fine = torch.from_numpy(draws.standard_normal((count, 3, px, px), "float32"))
    smooth = F.interpolate(coarse, (px, px), mode="bicubic", align_corners=False)
    return (0.5 * smooth + 0.1 * fine).clamp(-1, 1)


def _draw(tensor: Tensor, key: str, siblings: Collection[str], seed: int) -> None:
    import torch

    name = key.rpartition(".")[2]
    with torch.no_grad():
        if key.endswith(INTEGERS):
            tensor.copy_(torch.arange(tensor.numel()).view(tensor.shape))
        elif key.endswith(ZEROS):
            tensor.zero_()
        elif key.endswith("running_var"):
            tensor.fill_(1)
        elif tensor.ndim <= 1 and name.startswith(("weight", "gamma")):
            normalises = name != "weight" or f"{key.removesuffix('weight')}bias" in siblings
            tensor.fill_(1 if normalises else PRELU)
        else:
            _lay_out(tensor.view(-1), _block(seed), stream_key(seed, key) % BLOCK)
            tensor.mul_(_fan_in(tensor.shape) ** -0.5)


def _lay_out(flat: Tensor, block: Tensor, start: int) -> None:
    first, place = 0, start
    while first < len(flat):
        part = block[place : place + len(flat) - first]
        flat[first : first + len(part)] = part
        first, place = first + len(part), 0


def _fan_in(shape: Sequence[int]) -> int:
    sides = [side for i, side in enumerate(shape) if any(other != 1 for other in shape[: i + 1])]
    return math.prod(sides[1:] or sides)


@cache
def _block(seed: int) -> Any:
    import torch

    return torch.from_numpy(generator(seed, "rehearsal", "weights").standard_normal(BLOCK, "float32"))
