"""A diffusion on the real line whose noise prediction, and whose tilted result, are known in closed form.

x_0 is N(MEAN, SPREAD²) and log s(x) = −(x − WANTED)² / (2 WIDTH²).
"""

import torch
from facetory.diffusion.sampler import ddpm_step
from facetory.diffusion.schedule import alphas_cumprod

ALPHA_BAR = alphas_cumprod(1000, 1e-4, 0.02)
MEAN, SPREAD, WANTED, WIDTH = 0.5, 1.0, 2.0, 0.8


def predict_noise(z, t):
    """The exact E[ε | z_t]."""
    alpha = ALPHA_BAR[t]
    return (1 - alpha).sqrt() * (z - alpha.sqrt() * MEAN) / (alpha * SPREAD**2 + 1 - alpha)


def log_score(z, t, owners):
    """log s of z itself, however noisy."""
    return -((z[:, 0] - WANTED) ** 2) / (2 * WIDTH**2)


def starts(faces, particles, t, seed=0):
    """Draws of z_t, (faces, particles, 1)."""
    random, alpha = torch.Generator().manual_seed(seed), ALPHA_BAR[t]
    fresh = torch.randn(faces, particles, 1, generator=random)
    return alpha.sqrt() * MEAN + (alpha * SPREAD**2 + 1 - alpha).sqrt() * fresh


def unguided_moments(timesteps):
    """Mean and variance of what DDPM makes of `starts` along these timesteps.

    Each step is z' = k z + c + σ ε, read off from three points; few steps leave the variance below SPREAD².
    """
    alpha = ALPHA_BAR[timesteps[0]].double()
    mean, variance = alpha.sqrt() * MEAN, alpha * SPREAD**2 + 1 - alpha
    for t, after in zip(timesteps, [*timesteps[1:], None], strict=True):
        following = torch.ones(()) if after is None else ALPHA_BAR[after]
        z, fresh = torch.tensor([0.0, 1.0, 0.0]).double(), torch.tensor([0.0, 0.0, 1.0]).double()
        c, at_one, moved = ddpm_step(z, predict_noise(z, t), ALPHA_BAR[t], following, fresh)
        mean, variance = (at_one - c) * mean + c, (at_one - c) ** 2 * variance + (moved - c) ** 2
    return float(mean), float(variance)


def tilted_moments(timesteps, scale):
    """Mean and variance of that Gaussian times s^scale, a Gaussian again."""
    mean, variance = unguided_moments(timesteps)
    precision = 1 / variance + scale / WIDTH**2
    return (mean / variance + scale * WANTED / WIDTH**2) / precision, 1 / precision


def found_moments(outcome):
    """The weighted mean and variance of each face's particles, each (faces,)."""
    weights, x = outcome.log_weights.exp(), outcome.particles[..., 0].double()
    mean = (weights * x).sum(1, keepdim=True)
    return mean[:, 0], (weights * (x - mean) ** 2).sum(1)


def far_apart(found, wanted):
    """How many standard errors the mean of independent estimates (n,) lies from a value."""
    return float((found.mean() - wanted).abs() / (found.std() / len(found) ** 0.5))
