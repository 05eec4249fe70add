"""Pretraining a demo's UNet on latents, with captions or without, as a task of the training loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from facetory.diffusion import architecture
from facetory.diffusion.denoising import Latents, NoisePrediction
from facetory.diffusion.schedule import alphas_cumprod
from facetory.diffusion.unconditional import SCHEDULER, new_unconditional
from facetory.pipeline import randomness

if TYPE_CHECKING:
    from torch import Tensor

    from facetory.diffusion.pack import Packed

NULL_CAPTION = 0.1


def denoising(
    name: str, latents: Latents, data: Packed, seed: int, compiled: bool = False
) -> NoisePrediction:
    """The task of an architecture's UNet, with random weights: under captions where it reads text."""
    conditional, device = architecture.reads_text(name), latents.mean.device
    new = architecture.new_unet if conditional else new_unconditional
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(randomness.stream_key(seed, "unet", "weights") >> 1)
        unet = new(name, latents.mean.shape[2]).to(device)
    if not conditional:
        alpha_bar = alphas_cumprod(1000, SCHEDULER["beta_start"], SCHEDULER["beta_end"])
        return NoisePrediction(unet, latents, alpha_bar, data.held_out, seed, compiled)
    tokens, caption = data.tokens.to(device), torch.from_numpy(data.caption).to(device)
    return CaptionedNoisePrediction(unet, latents, tokens, caption, data.held_out, seed, compiled)


class CaptionedNoisePrediction(NoisePrediction):
    """Predict the noise in latents from their captions; one caption in ten is null.

    ``tokens`` (captions + 1, length, width) with the null prompt last, ``caption`` int64 (n, sentences) into
    them (a step takes one of the sentences): both on the device.
    """

    def __init__(
        self,
        unet: Any,
        latents: Latents,
        tokens: Tensor,
        caption: Tensor,
        held_out: np.ndarray,
        seed: int,
        compiled: bool = False,
    ) -> None:
        super().__init__(unet, latents, alphas_cumprod(), held_out, seed, compiled)
        self.tokens, self.caption = tokens, caption

    def conditions(self, rows: Tensor, flip: Tensor, choices: Tensor) -> tuple[Tensor, ...]:
        """Tokens of one of each caption's sentences, or of the null prompt."""
        sentence = (choices[:, 1] * self.caption.shape[1]).long()
        null = len(self.tokens) - 1
        caption = torch.where(choices[:, 0] < NULL_CAPTION, null, self.caption[rows, sentence])
        return (self.tokens[caption].float(),)

    def validated_under(self, rows: Tensor) -> dict[str, tuple[Tensor, ...]]:
        """The first sentences, and the null prompt."""
        null = self.tokens[-1:].expand(len(rows), -1, -1)
        sentence = self.tokens[self.caption[rows, 0]]
        return {"error": (sentence.float(),), "error_null": (null.float(),)}
