"""AdaptDiff's samplers against the published formulas, written out here a second time, and a known result."""

import math

import pytest
import torch
from facetory.adaptdiff.guidance import guided, weight
from facetory.adaptdiff.samplers import sample, visited
from facetory.adaptdiff.spec import Guidance, IdentitySampler
from facetory.pipeline.files import FacetoryError

T = 1000
BETAS = torch.linspace(1e-4, 0.02, T, dtype=torch.float64)
ALPHA_BAR = [math.prod((1 - BETAS[: t + 1]).tolist()) for t in range(T)]
NOISE = torch.randn(T + 1, 4, 3, generator=torch.Generator().manual_seed(0))
ADAPTIVE = Guidance(schedule="linear", w_max=1.0)


def network(x, t, identity):
    """Some prediction that depends on all it is told."""
    return torch.tanh(x * (1 + t / T) + identity)


def predict(x, t):
    return guided(network(x, t, 0.3), network(x, t, -0.7), weight(ADAPTIVE, t, T))


def by_formula(x, steps, method, released):
    """The papers' and the released code's updates, with plain numbers and both passes written out."""
    skip = T // steps
    for i in reversed(range(0, T, skip)):
        w = 1 - i / T
        noise = (1 + w) * network(x, i, 0.3) - w * network(x, i, -0.7)
        before = i - skip
        if method == "ddim":
            if before < 0:
                a_before = 1.0
            elif released:  # indexes [1, ᾱ_0, …, ᾱ_{T−2}] by the timestep before
                a_before = ([1.0, *ALPHA_BAR[:-1]])[before]
            else:
                a_before = ALPHA_BAR[before]
            x_0 = (x - (1 - ALPHA_BAR[i]) ** 0.5 * noise) / ALPHA_BAR[i] ** 0.5
            x = a_before**0.5 * x_0 + (1 - a_before) ** 0.5 * noise
        else:
            survived = math.prod((1 - BETAS[max(before + 1, 0) : i + 1]).tolist())
            beta = 1 - survived
            x = (x - beta / (1 - ALPHA_BAR[i]) ** 0.5 * noise) / survived**0.5
            if i > (1 if released else 0):
                x = x + beta**0.5 * NOISE[i]
    return x


@pytest.mark.parametrize("released", [False, True])
@pytest.mark.parametrize(("method", "steps"), [("ddpm", 1000), ("ddpm", 50), ("ddim", 200), ("ddim", 1000)])
def test_guided_ddpm_and_ddim_are_the_published_formulas(method, steps, released):
    sampler = IdentitySampler(method=method, steps=steps, released=released)
    found = sample(sampler, predict, NOISE[T], BETAS, NOISE.__getitem__)
    torch.testing.assert_close(found, by_formula(NOISE[T], steps, method, released), rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize(("method", "steps"), [("ddpm", 1000), ("ddim", 200)])
def test_the_released_variants_change_the_result(method, steps):
    ours, theirs = (
        sample(
            IdentitySampler(method=method, steps=steps, released=released),
            predict,
            NOISE[T],
            BETAS,
            NOISE.__getitem__,
        )
        for released in (False, True)
    )
    assert float((ours - theirs).abs().max()) > 1e-3


def test_ddpm_draws_no_noise_at_its_last_step_and_as_released_not_at_its_last_two():
    for released, quiet in ((False, {0}), (True, {0, 1})):
        asked = set()

        def fresh(t, asked=asked):
            asked.add(t)
            return NOISE[t]

        sample(IdentitySampler(released=released), predict, NOISE[T], BETAS, fresh)
        assert asked == set(range(T)) - quiet


def test_timesteps_by_hand():
    assert visited(IdentitySampler(method="ddim", steps=200))[:2] == [995, 990]
    assert visited(IdentitySampler(method="ddpm", steps=3)) == [666, 333, 0]
    assert visited(IdentitySampler()) == list(range(999, -1, -1))
    assert visited(IdentitySampler(method="ddim", steps=600))[:4] == [998, 996, 995, 993]
    assert visited(IdentitySampler(method="unipc", steps=4)) == [999, 749, 500, 250]


@pytest.mark.parametrize("kind", ["DPMSolverMultistepScheduler", "UniPCMultistepScheduler"])
@pytest.mark.parametrize("steps", [1, 7, 20, 50])
def test_fast_samplers_visit_what_diffusers_visits(kind, steps):
    import diffusers

    solver = getattr(diffusers, kind)(num_train_timesteps=T, trained_betas=BETAS.tolist())
    solver.set_timesteps(steps)
    assert visited(IdentitySampler(method="dpmpp", steps=steps)) == solver.timesteps.tolist()


MEAN, SPREAD = 1.5, 0.4


def gaussian(x, t):
    """The exact E[ε | x_t] where x_0 is N(MEAN, SPREAD²)."""
    a = ALPHA_BAR[t]
    return (1 - a) ** 0.5 * (x - a**0.5 * MEAN) / (a * SPREAD**2 + 1 - a)


@pytest.mark.parametrize(("method", "steps"), [("ddim", 200), ("dpmpp", 50), ("unipc", 50)])
def test_deterministic_samplers_lead_noise_to_its_quantile(method, steps):
    """The probability flow of a Gaussian is linear: x_0 = MEAN + SPREAD x_T, but for ᾱ_T's last 0.004 %."""
    x = torch.linspace(-2, 2, 9).reshape(9, 1, 1)
    found = sample(IdentitySampler(method=method, steps=steps), gaussian, x, BETAS, NOISE.__getitem__)
    torch.testing.assert_close(found, MEAN + SPREAD * x, rtol=0, atol=0.03)


def test_ddpm_draws_the_gaussian():
    random = torch.Generator().manual_seed(1)
    x = torch.randn(20_000, generator=random)
    found = sample(IdentitySampler(), gaussian, x, BETAS, lambda t: torch.randn(20_000, generator=random))
    assert float(found.mean()) == pytest.approx(MEAN, abs=0.01)
    assert float(found.std()) == pytest.approx(SPREAD, abs=0.01)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"steps": 0}, "0 steps do not fit"),
        ({"steps": 1001}, "1001 steps do not fit"),
        ({"method": "dpmpp", "steps": 1000}, "1000 steps do not fit"),
        ({"method": "unipc", "steps": 10, "released": True}, "the released code has none"),
    ],
)
def test_what_a_sampler_cannot_do_is_told(asked, message):
    with pytest.raises(FacetoryError, match=message):
        sample(IdentitySampler(**asked), predict, NOISE[T], BETAS, NOISE.__getitem__)
