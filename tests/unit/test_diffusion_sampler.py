import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from facetory.diffusion.sampler import clean_prediction, ddim, ddim_step, ddim_timesteps, ddpm_step, guided
from facetory.diffusion.schedule import alphas_cumprod, noise_of
from facetory.diffusion.snapshot import SCHEDULER

ALPHA_BARS = alphas_cumprod()


def test_the_timesteps_are_stable_diffusions():
    assert ddim_timesteps(50)[:2] == [981, 961] and ddim_timesteps(50)[-1] == 1
    for steps in (1, 7, 50, 999):
        scheduler = DDIMScheduler(**{k: v for k, v in SCHEDULER.items() if k != "_class_name"})
        scheduler.set_timesteps(steps)
        assert ddim_timesteps(steps) == scheduler.timesteps.tolist()
    with pytest.raises(ValueError, match="outside"):
        ddim_timesteps(1000)


def network(x, t):
    """Some output for a noisy x, whatever it stands for."""
    return torch.tanh(x + t / 1000)


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_ddim_is_that_of_diffusers(eta, prediction_type):
    settings = {**SCHEDULER, "prediction_type": prediction_type}
    scheduler = DDIMScheduler(**{k: v for k, v in settings.items() if k != "_class_name"})
    scheduler.set_timesteps(20)
    noise = {t: torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(t)) for t in range(1000)}
    theirs = noise[999]
    for t in scheduler.timesteps.tolist():
        fresh = noise[t] if eta else None
        theirs = scheduler.step(network(theirs, t), t, theirs, eta, variance_noise=fresh).prev_sample
    ours = ddim(
        lambda x, t: noise_of(network(x, t), x, ALPHA_BARS[t], prediction_type),
        noise[999],
        ALPHA_BARS,
        ddim_timesteps(20),
        eta,
        noise.__getitem__ if eta else None,
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


MEAN, SPREAD = 1.5, 0.4


def gaussian(x, t):
    """The exact E[ε | x_t] where x_0 is N(MEAN, SPREAD²)."""
    alpha_bar = ALPHA_BARS[t]
    variance = alpha_bar * SPREAD**2 + 1 - alpha_bar
    return (1 - alpha_bar).sqrt() * (x - alpha_bar.sqrt() * MEAN) / variance


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_a_gaussian_comes_back_from_its_exact_denoiser(eta):
    random, alpha_bar = torch.Generator().manual_seed(0), ALPHA_BARS[ddim_timesteps(500)[0]]
    noise = torch.randn(20_000, generator=random)
    x = alpha_bar.sqrt() * MEAN + (alpha_bar * SPREAD**2 + 1 - alpha_bar).sqrt() * noise
    fresh = (lambda t: torch.randn(20_000, generator=random)) if eta else None
    found = ddim(gaussian, x, ALPHA_BARS, ddim_timesteps(500), eta, fresh)
    assert float(found.mean()) == pytest.approx(MEAN, abs=0.03)
    assert float(found.std()) == pytest.approx(SPREAD, abs=0.02)
    paired = float(torch.corrcoef(torch.stack([x, found]))[0, 1])
    assert paired > 0.999 if eta == 0 else paired < 0.9


def test_one_step_to_no_noise_is_the_predicted_clean_sample():
    x, noise = torch.randn(2, 3), torch.randn(2, 3)
    alpha_bar = torch.tensor(0.36)
    found = ddim_step(x, noise, alpha_bar, torch.tensor(1.0))
    torch.testing.assert_close(found, (x - 0.8 * noise) / 0.6)


@pytest.mark.parametrize("steps", [10, 250, 1000])
def test_the_ancestral_step_is_that_of_diffusers(steps):
    """Of DDPMScheduler with its variance "fixed_small", and without its clipping."""
    betas = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "scaled_linear"}
    scheduler, alpha_bars = DDPMScheduler(**betas, clip_sample=False), alphas_cumprod(1000, 1e-4, 0.02)
    scheduler.set_timesteps(steps)
    timesteps = scheduler.timesteps.tolist()
    x = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    for t, after in zip(timesteps, [*timesteps[1:], None], strict=True):
        noise = network(x, t)
        fresh = torch.randn(x.shape, generator=torch.Generator().manual_seed(t))
        theirs = scheduler.step(noise, t, x, generator=torch.Generator().manual_seed(t)).prev_sample
        following = torch.ones(()) if after is None else alpha_bars[after]
        x = ddpm_step(x, noise, alpha_bars[t], following, fresh)
        torch.testing.assert_close(x, theirs, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(x, theirs)


def test_the_last_ancestral_step_is_the_predicted_clean_sample():
    x, noise, alpha_bar = torch.randn(2, 3), torch.randn(2, 3), torch.tensor(0.36)
    clean = clean_prediction(x, noise, alpha_bar)
    assert torch.equal(ddpm_step(x, noise, alpha_bar, torch.tensor(1.0), torch.randn(2, 3)), clean)


@pytest.mark.parametrize(("eta", "fresh"), [(1.0, None), (0.0, torch.zeros(2))])
def test_noise_goes_with_eta(eta, fresh):
    with pytest.raises(ValueError, match="fresh noise"):
        ddim_step(torch.zeros(2), torch.zeros(2), torch.tensor(0.5), torch.tensor(0.7), eta, fresh)


def test_guidance_goes_from_the_null_prompt_through_the_class_and_beyond():
    null, conditional = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 1.0])
    torch.testing.assert_close(guided(null, conditional, 0.0), null)
    torch.testing.assert_close(guided(null, conditional, 1.0), conditional)
    torch.testing.assert_close(guided(null, conditional, 3.0), torch.tensor([7.0, -1.0]))
    scales = torch.tensor([[1.0], [3.0]])
    torch.testing.assert_close(guided(null, conditional, scales)[1], torch.tensor([7.0, -1.0]))
