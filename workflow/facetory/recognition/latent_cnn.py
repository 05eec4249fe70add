"""A classifier on latents that knows their noise: p(y | z_t, t) (Dhariwal & Nichol 2021, Section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from facetory.diffusion.schedule import add_noise, alphas_cumprod
from facetory.pipeline.randomness import normal, stream_key, uniform
from facetory.recognition.cnn import Standardised
from facetory.recognition.expressions import Expressions

if TYPE_CHECKING:
    from torch import Tensor

    from facetory.recognition.expressions import Prepare
    from facetory.recognition.spec import ClassifierSpec
    from facetory.recognition.views import Views

WIDTHS = {"paper": (128, 128, 256, 256), "small": (48, 96)}
DROPOUT = 0.3
GROUPS = 8
SMALLEST = 4
"""Side of the feature maps that are flattened."""
FREQUENCIES = 64
CLEANEST = 10
"""Half of the timesteps are drawn from the first 1 / CLEANEST of them."""


class Block(nn.Module):
    """Two convolutions with a residual connection; the noise scales and shifts what lies between (FiLM)."""

    def __init__(self, channels: int, width: int, embedding: int) -> None:
        super().__init__()
        self.before = nn.Sequential(nn.GroupNorm(GROUPS, channels), nn.SiLU())
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1)
        self.norm = nn.GroupNorm(GROUPS, width)
        self.film = nn.Linear(embedding, 2 * width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.skip = nn.Conv2d(channels, width, 1)

    def forward(self, features: Tensor, embedding: Tensor) -> Tensor:
        """Features (n, channels, h, w) and embeddings of timesteps (n, embedding) to (n, width, h, w)."""
        scale, shift = self.film(embedding)[..., None, None].chunk(2, 1)
        found = self.norm(self.conv1(self.before(features))) * (1 + scale) + shift
        return self.skip(features) + self.conv2(nn.functional.silu(found))


class LatentCNN(nn.Module):
    """A residual block a width, halving the map between them down to its smallest side; then linear.

    Takes scaled latents (n, channels, side, side) with the noise of a timestep, clean by default.
    """

    def __init__(
        self, channels: int, side: int, classes: int, widths: tuple[int, ...], dropout: float
    ) -> None:
        from diffusers.models.embeddings import Timesteps

        super().__init__()
        embedding = 2 * FREQUENCIES
        self.standardised = Standardised(channels)
        self.timesteps = Timesteps(FREQUENCIES, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.embedding = nn.Sequential(nn.Linear(FREQUENCIES, embedding), nn.SiLU())
        self.enter = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.blocks, self.pools = nn.ModuleList(), nn.ModuleList()
        for before, width in zip((widths[0], *widths), widths, strict=False):
            self.blocks.append(Block(before, width, embedding))
            pooled = 2 if side > SMALLEST else 1
            self.pools.append(nn.AvgPool2d(pooled))
            side //= pooled
        self.leave = nn.Sequential(
            nn.GroupNorm(GROUPS, widths[-1]),
            nn.SiLU(),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(widths[-1] * side**2, classes),
        )

    def forward(self, latents: Tensor, timestep: Tensor | int = 0) -> Tensor:
        """Logits (n, classes); ``timestep`` is one for all latents, or one each (n,)."""
        timesteps = torch.as_tensor(timestep, device=latents.device).expand(len(latents))
        embedding = self.embedding(self.timesteps(timesteps))
        features = self.enter(self.standardised(latents))
        for block, pool in zip(self.blocks, self.pools, strict=True):
            features = pool(block(features, embedding))
        return self.leave(features)


def latent_cnn(channels: int, side: int, classes: int, size: str = "paper") -> LatentCNN:
    """For latents (channels, side, side): size "paper" for 4×32×32, "small" for 4×16×16 and 8×8×8."""
    return LatentCNN(channels, side, classes, WIDTHS[size], DROPOUT)


class NoisyExpressions(Expressions):
    """Cross-entropy on latents with the noise of random timesteps.

    Half of the timesteps are uniform below the spec's ``noised_to``, half below a tenth of it, because x̂_0
    predictions are scored as clean.  Noise and timestep of a sample are functions of (seed, sample id, step).
    """

    def __init__(
        self, data: Views, network: nn.Module, prepare: Prepare, spec: ClassifierSpec, device: str = "cpu"
    ) -> None:
        super().__init__(data, network, prepare, spec.seed, "classifier", spec.label_smoothing, device)
        self.noised_to = spec.noised_to
        self.alpha_bar = alphas_cumprod(1000, spec.beta_start, spec.beta_end)
        self.timestep_key = stream_key(spec.seed, "classifier", "timesteps")
        self.noise_key = stream_key(spec.seed, "classifier", "noise")

    def logits(self, positions: np.ndarray, step: int) -> Tensor:
        """The network's answer to the samples' noisy latents."""
        latents, keys = self.inputs(positions, step), self.keys[positions]
        timesteps = torch.from_numpy(self.timesteps(keys, step))
        noise = torch.from_numpy(normal(self.noise_key, keys, step, latents[0].numel())).to(latents.device)
        noisy = add_noise(latents, noise.reshape(latents.shape), self.alpha_bar[timesteps].to(latents.device))
        return self.network(noisy, timesteps.to(latents.device))

    def timesteps(self, keys: np.ndarray, step: int) -> np.ndarray:
        """The timesteps of samples by their keys, int64 (n,)."""
        draws = uniform(self.timestep_key, keys, step, 2)
        below = np.where(draws[:, 0] < 0.5, self.noised_to, -(-self.noised_to // CLEANEST))
        return np.floor(draws[:, 1] * below).astype(np.int64)
