import gaussian_diffusion as line
import numpy as np
import pytest
import torch
from facetory.diffusion.sampler import clean_prediction
from facetory.smc.baselines import best_of_n, gradient_guided, unguided
from facetory.smc.sampler_spec import READINGS, Sampler
from facetory.smc.timesteps import edit_timesteps

STEPS = edit_timesteps(60, 1.0)


def run(method, faces, particles, settings=Sampler(initial_noise="own"), steps=STEPS, **options):
    start = line.starts(faces, particles, steps[0])
    keys = np.arange(faces)
    return method(start, steps, line.predict_noise, line.log_score, settings, line.ALPHA_BAR, keys, **options)


def test_without_guidance_faces_come_from_the_prior():
    found = run(unguided, 4000, 1).particles[:, 0, 0].double()
    mean, variance = line.unguided_moments(STEPS)
    assert line.far_apart(found, mean) < 4
    assert float(found.var()) == pytest.approx(variance, rel=4 * (2 / 4000) ** 0.5)


@pytest.mark.parametrize("reading", READINGS)
def test_the_best_of_n_is_the_best_of_unguided_edits(reading):
    settings = Sampler(**{**READINGS[reading], "initial_noise": "own"})
    found = run(best_of_n, 5, 8, settings)
    alone = run(unguided, 5, 8, settings)
    assert torch.equal(found.particles[:, :1], alone.particles)
    assert torch.equal(found.chosen, found.final_scores.argmax(1))
    assert torch.equal(found.final_scores, line.log_score(found.particles.flatten(0, 1), 0, None).view(5, 8))
    assert found.scores.shape == found.ancestors.shape == (5, 0, 8) and found.ess.shape == (5, 0)
    assert found.counts == found.unshared == {"unet": 5 * 8 * 60, "score": 5 * 8}


def test_more_edits_leave_the_first_ones_as_they_are():
    start = line.starts(3, 8, STEPS[0])
    few, many = (
        best_of_n(
            start[:, :n],
            STEPS,
            line.predict_noise,
            line.log_score,
            Sampler(initial_noise="own"),
            line.ALPHA_BAR,
            np.arange(3),
        )
        for n in (5, 8)
    )
    assert torch.equal(few.particles, many.particles[:, :5])


@pytest.mark.parametrize("scored", ["noisy", "x0"])
def test_the_gradient_moves_the_mean_as_algorithm_1_of_dhariwal_and_nichol(scored):
    """Two steps; the second is linear, so what it makes of the move is known."""
    steps, scale = [600, 300], 1.5
    settings = Sampler(initial_noise="own", scored=scored, guidance_scale=scale)
    start = line.starts(6, 1, steps[0])[:, 0]
    alpha, after = line.ALPHA_BAR[600], line.ALPHA_BAR[300]
    variance = (1 - after) / (1 - alpha) * (1 - alpha / after)
    if scored == "noisy":
        gradient = -(start - line.WANTED) / line.WIDTH**2
    else:
        clean = clean_prediction(start, line.predict_noise(start, 600), alpha)
        slope = clean_prediction(start + 1, line.predict_noise(start + 1, 600), alpha) - clean
        gradient = -(clean - line.WANTED) / line.WIDTH**2 * slope
    ends = [
        clean_prediction(torch.tensor(z), line.predict_noise(torch.tensor(z), 300), after) for z in (0.0, 1.0)
    ]
    moved = (
        run(gradient_guided, 6, 1, settings, steps).particles - run(unguided, 6, 1, settings, steps).particles
    )
    torch.testing.assert_close(
        moved[:, 0], scale * variance * gradient * (ends[1] - ends[0]), rtol=1e-3, atol=1e-5
    )


def test_the_gradient_leads_to_what_is_wanted_and_is_counted():
    free, led = run(unguided, 500, 1), run(gradient_guided, 500, 1, Sampler(guidance_scale=1.0))
    assert led.final_scores.mean() > free.final_scores.mean() + 0.5
    assert led.counts == {"unet": 500 * 60, "score": 500, "gradient": 500 * 59}
    assert not led.particles.requires_grad


def test_no_scale_is_no_guidance():
    free = run(unguided, 6, 1)
    assert torch.equal(run(gradient_guided, 6, 1, Sampler(guidance_scale=0.0)).particles, free.particles)


def test_a_leash_holds_baselines_too():
    settings = Sampler(initial_noise="own", leash=0.5)
    found = run(best_of_n, 20, 4, settings, z_0=torch.full((20, 1), -3.0))
    assert float(found.particles.mean()) == pytest.approx(-3, abs=0.4)
