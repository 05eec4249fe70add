"""The noise schedule of Stable Diffusion and the parametrisations of its network's output.

Pure functions on float32 tensors: casting ᾱ to float16 gives σ errors of several per cent at the first steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def alphas_cumprod(count: int = 1000, beta_start: float = 0.00085, beta_end: float = 0.012) -> Tensor:
    """ᾱ_t for t = 0 … count-1, float32, shape (count,): the "scaled_linear" betas of latent diffusion.

    √β runs linearly from √beta_start to √beta_end (Rombach et al. 2022, released configuration).
    """
    import torch

    return alpha_bars(torch.linspace(beta_start**0.5, beta_end**0.5, count, dtype=torch.float64) ** 2)


def linear_betas(count: int = 1000, beta_start: float = 1e-4, beta_end: float = 0.02) -> Tensor:
    """β_t for t = 0 … count-1, float64, shape (count,), evenly spaced (Ho et al. 2020, Section 4)."""
    import torch

    return torch.linspace(beta_start, beta_end, count, dtype=torch.float64)


def alpha_bars(betas: Tensor) -> Tensor:
    """ᾱ_t = ∏ (1 - β_s) over s ≤ t (Ho et al. 2020, Eq. 4), float32, of betas (count,) in float64."""
    return (1 - betas).cumprod(0).float()


def add_noise(latents: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """x_t = √ᾱ x_0 + √(1-ᾱ) ε (Ho et al. 2020, Eq. 4).

    latents and noise (batch, …), alpha_bar (batch,) or a scalar tensor.
    """
    alpha_bar = like(alpha_bar, latents)
    return alpha_bar.sqrt() * latents + (1 - alpha_bar).sqrt() * noise


def velocity(latents: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """v = √ᾱ ε - √(1-ᾱ) x_0 (Salimans & Ho 2022, Appendix D); shapes as in `add_noise`."""
    alpha_bar = like(alpha_bar, latents)
    return alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * latents


def noise_of(output: Tensor, noisy: Tensor, alpha_bar: Tensor, prediction_type: str) -> Tensor:
    """The predicted noise ε̂ in a network's output: itself, or √ᾱ v̂ + √(1-ᾱ) x_t for "v_prediction".

    output and noisy (batch, …), alpha_bar (batch,) or a scalar tensor.
    """
    if prediction_type == "epsilon":
        return output
    if prediction_type != "v_prediction":
        raise ValueError(f"prediction_type {prediction_type!r}: 'epsilon' or 'v_prediction'")
    alpha_bar = like(alpha_bar, noisy)
    return alpha_bar.sqrt() * output + (1 - alpha_bar).sqrt() * noisy


def like(values: Tensor, target: Tensor) -> Tensor:
    """Per-sample values (batch,) with trailing axes of length 1, so that they broadcast against target."""
    return values.reshape(values.shape + (1,) * (target.ndim - values.ndim)) if values.ndim else values
