"""Sampling from a diffusion model: DDIM, DDPM and classifier-free guidance, as functions of predicted noise.

``predict(x, t)`` is the predicted noise ε̂ of x_t, of the shape of x; `schedule.noise_of` makes it of a
network's output under either parametrisation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def ddim_timesteps(steps: int, count: int = 1000) -> list[int]:
    """The ``steps`` timesteps of a sampler, descending: 50 gives 981, 961, …, 1.

    Spaced and offset by one as in Stable Diffusion's released configuration.
    """
    if not 1 <= steps < count:
        raise ValueError(f"steps {steps} is outside 1..{count - 1}")
    return [i * (count // steps) + 1 for i in reversed(range(steps))]


def ddim(
    predict: Callable[[Tensor, int], Tensor],
    x: Tensor,
    alpha_bars: Tensor,
    timesteps: list[int],
    eta: float = 0.0,
    fresh: Callable[[int], Tensor] | None = None,
) -> Tensor:
    """x_0 (batch, …) from noise x: `ddim_step` along descending timesteps (Song et al. 2021, Section 4.1).

    alpha_bars: (T,).  ``fresh(t)`` is the new noise of timestep t, of x's shape, where eta is above 0.
    The last step leads to ᾱ_0, as in Stable Diffusion's released configuration.
    """
    for t, following in zip(timesteps, [*timesteps[1:], 0], strict=True):
        noise = fresh(t) if fresh else None
        x = ddim_step(x, predict(x, t), alpha_bars[t], alpha_bars[following], eta, noise)
    return x


def ddim_step(
    x: Tensor,
    noise_prediction: Tensor,
    alpha_bar: Tensor,
    alpha_bar_next: Tensor,
    eta: float = 0.0,
    fresh: Tensor | None = None,
) -> Tensor:
    """x at a smaller timestep: √ᾱ' x̂_0 + √(1-ᾱ'-σ²) ε̂ + σ ε (Song et al. 2021, Eqs. 12 and 16).

    x, noise_prediction, fresh: (batch, …); alpha_bar and alpha_bar_next: scalars.  σ is ``eta`` times that of
    DDPM's ancestral sampling: 0 is deterministic, 1 is DDPM; above 0 it needs ``fresh`` noise.
    """
    if bool(eta) != (fresh is not None):
        raise ValueError(f"eta {eta}: fresh noise is needed above 0, and of no use at 0")
    x_0 = clean_prediction(x, noise_prediction, alpha_bar)
    variance = eta**2 * (1 - alpha_bar_next) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_next)
    x = alpha_bar_next.sqrt() * x_0 + (1 - alpha_bar_next - variance).sqrt() * noise_prediction
    return x if fresh is None else x + variance.sqrt() * fresh


def ddpm_step(
    x: Tensor, noise_prediction: Tensor, alpha_bar: Tensor, alpha_bar_next: Tensor, fresh: Tensor
) -> Tensor:
    """A draw of x at a smaller timestep: DDPM's ancestral step (Ho et al. 2020, Eqs. 6 and 7).

    Its mean and variance β̃ are those of q(x' | x, x̂_0) between any two timesteps, which is DDIM's step at
    η = 1 (Song et al. 2021, Section 4.1).  x, noise_prediction, fresh: (batch, …).  x̂_0 is not clipped:
    latents leave -1 … 1.  The last step, ᾱ' = 1, returns x̂_0 itself, whatever ``fresh`` is.
    """
    return ddim_step(x, noise_prediction, alpha_bar, alpha_bar_next, 1.0, fresh)


def clean_prediction(x: Tensor, noise_prediction: Tensor, alpha_bar: Tensor) -> Tensor:
    """x̂_0 = (x_t - √(1-ᾱ) ε̂) / √ᾱ (Song et al. 2021, Eq. 9); shapes as in `ddim_step`."""
    return (x - (1 - alpha_bar).sqrt() * noise_prediction) / alpha_bar.sqrt()


def guided(unconditional: Tensor, conditional: Tensor, scale: float | Tensor) -> Tensor:
    """ε̂ = ε_∅ + s (ε_c − ε_∅) (Ho & Salimans 2022, with w = s − 1): s = 1 is the conditional model.

    Shapes (batch, …); ``scale`` is a number, or a tensor that broadcasts.
    """
    return unconditional + scale * (conditional - unconditional)
