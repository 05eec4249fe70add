"""The diffusion classifier: noise-prediction errors of samples under every class (Section III-A2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facetory.emodc.errors import noise_prediction_errors, share_text
from facetory.pipeline.randomness import normal, stream_key

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


def model(backbone_folder: Path | str, adapter: Path | str | None, device: str = "cpu") -> nn.Module:
    """The backbone's UNet with the adapter folded into its weights (None: zero-shot), for inference."""
    from facetory.diffusion import lora
    from facetory.diffusion.backbone import load_unet

    unet = load_unet(backbone_folder)
    if adapter:
        lora.load(unet, adapter, merge=True)
    return share_text(unet).to(device).eval().requires_grad_(False)


@contextmanager
def inference(device: torch.device, precision: str) -> Iterator[None]:
    """No gradients, and autocast to "bf16" or "fp16" where that is the precision."""
    import torch

    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    with torch.inference_mode(), torch.autocast(device.type, dtype=half, enabled=half is not None):
        yield


def errors_by_class(
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
    on_batch: Callable[[int], None] = lambda pairs: None,
) -> np.ndarray:
    """Errors of every (sample, timestep, class), float32 (n, T, K), K = len(tokens).

    latents: (n, C, h, w) float32, scaled; keys: (n,) int64 sample keys; timesteps: (T,) int64; tokens and
    alpha_bars lie on the UNet's device.  The noise is a function of (noise_seed, sample, timestep) and shared
    by the classes, so neither batches nor order matter.  ``batch_size`` counts rows of the UNet's batch:
    batch_size // K pairs of sample and timestep, one at least.  ``on_batch`` is told how many pairs are done.
    """
    import torch

    device = tokens.device
    pairs = torch.arange(len(latents) * len(timesteps))
    stream = stream_key(noise_seed, "emodc", "evaluation noise")
    errors = torch.empty(len(pairs), len(tokens))
    sample_key, timestep = torch.from_numpy(keys).to(device), torch.from_numpy(timesteps).to(device)
    with inference(device, precision):
        for batch in pairs.split(max(1, batch_size // len(tokens))):
            sample, step = batch // len(timesteps), timestep[batch % len(timesteps)]
            noise = normal(stream, sample_key[sample], step, latents[0].numel())
            errors[batch] = noise_prediction_errors(
                unet,
                latents[sample].to(device),
                noise.unflatten(1, latents.shape[1:]),
                step,
                tokens,
                alpha_bars,
                prediction_type,
            ).cpu()
            on_batch(int(batch[-1]) + 1)
    return errors.unflatten(0, (len(latents), -1)).numpy()
