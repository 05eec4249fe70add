"""The noise-prediction error of a conditional diffusion model: the one number EmoDC trains and decides by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facetory.diffusion.schedule import add_noise, noise_of
from facetory.emodc.attention import SharedText

if TYPE_CHECKING:
    from torch import Tensor, nn


def share_text(unet: nn.Module) -> nn.Module:
    """Let a UNet take its prompts once per batch, as `noise_prediction_errors` passes them; in place."""
    unet.set_attn_processor(SharedText())  # type: ignore[operator]
    return unet


def noise_prediction_errors(
    unet: nn.Module,
    latents: Tensor,
    noise: Tensor,
    timesteps: Tensor,
    tokens: Tensor,
    alpha_bars: Tensor,
    prediction_type: str,
    prompts: Tensor | None = None,
) -> Tensor:
    """‖ε_θ(x_t, t, c) − ε‖² for every sample under each of its prompts, element mean, float32 (batch, R).

    latents, noise: (batch, C, h, w) float32; timesteps: (batch,) int64; tokens: (P, L, D); alpha_bars: (T,)
    float32.  ``prompts`` (batch, R) int64 names rows of ``tokens``; without it every sample meets all R = P.
    All prompts of a sample share its noise and timestep and go through the UNet (see `share_text`) as one
    batch; differences and means are float32 under any autocast (EmoDC, Eq. 8).
    """
    alpha_bar = alpha_bars[timesteps]
    noisy = add_noise(latents, noise, alpha_bar)
    count = len(tokens) if prompts is None else prompts.shape[1]
    chosen = None if prompts is None else {"prompts": prompts.T.flatten()}
    output = unet(
        noisy.repeat(count, 1, 1, 1), timesteps.repeat(count), tokens, cross_attention_kwargs=chosen
    ).sample
    predicted = noise_of(output.float().unflatten(0, (count, -1)), noisy, alpha_bar, prediction_type)
    return (predicted - noise).square().flatten(2).mean(2).T
