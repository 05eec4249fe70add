"""The race on the UNet itself: a measure that packs the classes still racing into full batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from facetory.emodc.classifier import inference
from facetory.emodc.errors import noise_prediction_errors
from facetory.emodc.racing import Measure
from facetory.pipeline.randomness import normal, stream_key

if TYPE_CHECKING:
    from torch import Tensor, nn


def measured(
    unet: nn.Module,
    latents: Tensor,
    keys: np.ndarray,
    timesteps: np.ndarray,
    tokens: Tensor,
    alpha_bars: Tensor,
    prediction_type: str,
    *,
    noise_seed: int = 0,
    batch_size: int = 512,
    precision: str = "no",
) -> Measure:
    """A measure for `racing.race` that runs the UNet; arguments are those of `classifier.errors_by_class`.

    Rows of any samples, timesteps and classes share full batches, each under its own prompt.  Noise is that
    of the full evaluation, and so are the errors.
    """
    import torch

    device = tokens.device
    stream = stream_key(noise_seed, "emodc", "evaluation noise")
    key, t = torch.from_numpy(keys).to(device), torch.from_numpy(timesteps).to(device)

    def measure(sample: np.ndarray, timestep: np.ndarray, label: np.ndarray) -> np.ndarray:
        asked = torch.from_numpy(np.stack([sample, timestep, label]))
        errors = torch.empty(asked.shape[1])
        with inference(device, precision):
            for batch in torch.arange(len(errors)).split(batch_size):
                pair, of_row = asked[:2, batch].unique_consecutive(dim=1, return_inverse=True)
                noise = normal(stream, key[pair[0]], t[pair[1]], latents[0].numel())
                errors[batch] = noise_prediction_errors(
                    unet,
                    latents[asked[0, batch]].to(device),
                    noise.unflatten(1, latents.shape[1:])[of_row],
                    t[asked[1, batch]],
                    tokens,
                    alpha_bars,
                    prediction_type,
                    asked[2, batch, None].to(device),
                )[:, 0].cpu()
        return errors.numpy()

    return measure


class Work(NamedTuple):
    """What something took: rows and calls of the UNet, counted at its door, and seconds."""

    rows: int
    calls: int
    seconds: float
    cpu_seconds: float


@contextmanager
def watched(unet: nn.Module) -> Iterator[Callable[[], Work]]:
    """Yield a function that says what was done since."""
    batches: list[int] = []
    door = unet.register_forward_pre_hook(lambda module, args: batches.append(len(args[0])))
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield lambda: Work(sum(batches), len(batches), time.perf_counter() - wall, time.process_time() - cpu)
    finally:
        door.remove()
