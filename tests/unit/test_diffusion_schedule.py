"""The noise schedule against hand values, and the two parametrisations against each other."""

import math

import pytest
import torch
from facetory.diffusion.schedule import add_noise, alphas_cumprod, noise_of, velocity


def test_alphas_are_those_of_stable_diffusion():
    alpha_bar = alphas_cumprod()
    assert alpha_bar.dtype == torch.float32 and alpha_bar.shape == (1000,)
    assert alpha_bar[0].item() == pytest.approx(1 - 0.00085, rel=1e-6)
    second = (math.sqrt(0.00085) + (math.sqrt(0.012) - math.sqrt(0.00085)) / 999) ** 2
    assert alpha_bar[1].item() == pytest.approx((1 - 0.00085) * (1 - second), rel=1e-6)
    assert alpha_bar[-1].item() == pytest.approx(0.004660, abs=5e-6)
    assert bool((alpha_bar.diff() < 0).all())


def test_alphas_equal_those_of_diffusers():
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    torch.testing.assert_close(alphas_cumprod(), scheduler.alphas_cumprod, rtol=2e-5, atol=0)


def test_noise_by_hand():
    noisy = add_noise(torch.tensor([[3.0]]), torch.tensor([[5.0]]), torch.tensor([0.36]))
    assert noisy.item() == pytest.approx(0.6 * 3 + 0.8 * 5)


def test_velocity_gives_back_the_noise():
    generator = torch.Generator().manual_seed(0)
    latents, noise = torch.randn(2, 6, 4, 8, 8, generator=generator)
    alpha_bar = alphas_cumprod()[torch.tensor([0, 1, 99, 400, 800, 999])]
    noisy = add_noise(latents, noise, alpha_bar)
    v = velocity(latents, noise, alpha_bar)
    torch.testing.assert_close(noise_of(v, noisy, alpha_bar, "v_prediction"), noise, rtol=1e-4, atol=1e-5)
    assert noise_of(noise, noisy, alpha_bar, "epsilon") is noise


def test_an_error_in_v_is_an_error_in_noise_times_alpha_bar():
    """‖ε̂ - ε‖² = ᾱ ‖v̂ - v‖²."""
    latents, noise, off = torch.randn(3, 4, 16, generator=torch.Generator().manual_seed(1))
    alpha_bar = alphas_cumprod()[torch.tensor([50, 350, 650, 950])]
    noisy, v = add_noise(latents, noise, alpha_bar), velocity(latents, noise, alpha_bar)
    error = (noise_of(v + off, noisy, alpha_bar, "v_prediction") - noise).square().sum(1)
    torch.testing.assert_close(error, alpha_bar * off.square().sum(1), rtol=1e-4, atol=1e-5)


def test_an_unknown_parametrisation_is_refused():
    with pytest.raises(ValueError, match="sample"):
        noise_of(torch.zeros(1), torch.zeros(1), torch.ones(1), "sample")
