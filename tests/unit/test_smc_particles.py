"""Algorithm 1 and its repairs, on a diffusion whose tilted posterior is known, and on small networks."""

import json
import math
from itertools import pairwise
from pathlib import Path

import facetory
import gaussian_diffusion as line
import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DModel
from facetory.smc.batches import distinct, in_fixed_batches
from facetory.smc.particles import leashed, smc, start_particles
from facetory.smc.sampler_spec import READINGS, Sampler
from facetory.smc.timesteps import edit_timesteps, scorings

SCALE = 1.0
STEPS = edit_timesteps(60, 1.0)
FACES, PARTICLES = 24, 2000
KEYS = np.arange(100, 100 + FACES)


def sampler(reading="paper", **changes):
    """A reading on the line, where every particle has its own start."""
    fields = {"guidance_scale": SCALE, "particles": PARTICLES, "initial_noise": "own"}
    return Sampler(**{**READINGS[reading], **fields, **changes})


def run(settings, score=line.log_score, faces=FACES, timesteps=STEPS, **options):
    start = line.starts(faces, settings.particles, timesteps[0])
    return smc(start, timesteps, line.predict_noise, score, settings, line.ALPHA_BAR, KEYS[:faces], **options)


def off(outcome, wanted):
    """Standard errors, over independent faces, between the moments that were found and those wanted."""
    found = line.found_moments(outcome)
    return [line.far_apart(moment, value) for moment, value in zip(found, wanted, strict=True)]


TOLERANCE = 4.0
"""In standard errors over the faces: exceeded by chance in 6 of 10,000 cases."""


@pytest.mark.parametrize("scheme", ["multinomial", "stratified", "systematic", "residual"])
def test_the_corrected_sampler_hits_the_tilted_posterior(scheme):
    outcome = run(sampler("corrected", scheme=scheme, ess_threshold=0.8))
    resampled = (outcome.ess < 0.8 * PARTICLES).sum(1)
    assert resampled.min() >= 2
    assert max(off(outcome, line.tilted_moments(STEPS, SCALE))) < TOLERANCE
    mean, variance = (found.std() / FACES**0.5 for found in line.found_moments(outcome))
    assert mean < 0.01 and variance < 0.01


@pytest.mark.parametrize("potential", ["absolute", "difference", "max", "sum"])
def test_every_telescoping_potential_hits_it(potential):
    settings = sampler("corrected", potential=potential, resample_interval=20, ess_threshold=1.0)
    assert max(off(run(settings), line.tilted_moments(STEPS, SCALE))) < TOLERANCE


@pytest.mark.parametrize("reading", ["paper", "code"])
def test_the_literal_sampler_tilts_too_far(reading):
    outcome, (mean, variance) = run(sampler(reading)), line.tilted_moments(STEPS, SCALE)
    found = line.found_moments(outcome)
    assert found[0].mean() - mean > 0.4 and found[1].mean() < variance / 4
    assert min(off(outcome, (mean, variance))) > 50


def test_weights_that_are_discarded_do_not_tilt():
    """As in the FK release's adaptive mode, which forgets the weights where it does not resample."""
    carried = run(sampler("corrected"))
    discarded = run(sampler("corrected", carry_weights=False))
    assert torch.equal(discarded.ancestors, torch.arange(PARTICLES).expand(FACES, 60, PARTICLES))
    assert max(off(discarded, line.unguided_moments(STEPS))) < TOLERANCE
    assert min(off(discarded, line.tilted_moments(STEPS, SCALE))) > 20
    assert max(off(carried, line.tilted_moments(STEPS, SCALE))) < TOLERANCE


def test_a_final_draw_by_weight_is_a_draw_from_the_tilted_posterior():
    settings = sampler("corrected", particles=100)
    start, keys = line.starts(400, 100, STEPS[0]), np.arange(400)
    found = smc(start, STEPS, line.predict_noise, line.log_score, settings, line.ALPHA_BAR, keys)
    drawn = found.particles[torch.arange(400), found.chosen, 0].double()
    mean, variance = line.tilted_moments(STEPS, SCALE)
    assert line.far_apart(drawn, mean) < TOLERANCE
    assert float(drawn.var()) == pytest.approx(variance, rel=TOLERANCE * (2 / 400) ** 0.5)


def test_the_final_argmax_is_the_best_particle():
    outcome = run(sampler(particles=50))
    scores = line.log_score(outcome.particles.flatten(0, 1), 0, None).view(FACES, 50)
    torch.testing.assert_close(outcome.final_scores, scores.double(), rtol=0, atol=1e-6)
    assert torch.equal(outcome.chosen, scores.argmax(1))


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize(
    "score",
    [
        lambda z, t, owners: torch.full((len(z),), -math.inf),
        lambda z, t, owners: torch.full((len(z),), -1e4),
        lambda z, t, owners: -1e4 * (3 + z[:, 0]).abs(),
        lambda z, t, owners: torch.where(z[:, 0] > 0, -math.inf, -1e4),
        lambda z, t, owners: torch.where(z[:, 0] > 1, math.nan, z[:, 0]),
        lambda z, t, owners: torch.full((len(z),), math.nan),
    ],
)
def test_scores_that_underflow_do_no_harm(reading, score):
    outcome = run(sampler(reading, particles=40), score)
    assert outcome.particles.isfinite().all()
    assert not outcome.log_weights.isnan().any() and not outcome.ess.isnan().any()
    torch.testing.assert_close(outcome.log_weights.exp().sum(1), torch.ones(FACES).double())
    assert ((outcome.chosen >= 0) & (outcome.chosen < 40)).all()


def test_scores_of_zero_leave_everyone_the_same_chance_and_show_in_the_trace():
    outcome = run(sampler("corrected", particles=40), lambda z, t, owners: torch.full((len(z),), -math.inf))
    assert (outcome.scores == -math.inf).all()
    torch.testing.assert_close(outcome.ess, torch.full((FACES, 60), 40.0).double())
    assert (outcome.unique_roots == 40).all()


def test_a_diverged_particle_has_no_children():
    outcome = run(sampler(particles=40), lambda z, t, owners: torch.where(z[:, 0] > 0.5, math.nan, 0.0))
    parents = outcome.scores.gather(2, outcome.ancestors)
    some = outcome.scores.isfinite().any(2)
    assert not parents[some].isnan().any() and outcome.scores.isnan().any()


def test_the_trace_tells_who_descends_from_whom():
    outcome = run(sampler(particles=30, resample_interval=7))
    assert outcome.scored_steps == [6, 13, 20, 27, 34, 41, 48, 55]
    assert outcome.scores.shape == outcome.ancestors.shape == (FACES, 8, 30)
    roots = torch.arange(30).expand(FACES, 30)
    for number in range(8):
        roots = roots.gather(1, outcome.ancestors[:, number])
        assert outcome.unique_roots[:, number].tolist() == [len(set(row.tolist())) for row in roots]
    assert (outcome.unique_roots.diff(dim=1) <= 0).all()
    expected = 1 / outcome.scores.mul(SCALE).softmax(2).square().sum(2)
    torch.testing.assert_close(outcome.ess, expected)


def test_resampling_waits_for_the_effective_sample_size():
    outcome = run(sampler(particles=30, ess_threshold=0.3, scheme="systematic"))
    untouched = (outcome.ancestors == torch.arange(30)).all(2)
    assert torch.equal(untouched, outcome.ess >= 0.3 * 30)
    assert untouched.any() and not untouched.all()


def test_the_released_code_does_not_resample_after_the_last_step():
    literal, released = run(sampler("paper", particles=30)), run(sampler("code", particles=30))
    assert torch.equal(literal.ancestors[:, :-1], released.ancestors[:, :-1])
    assert torch.equal(released.ancestors[:, -1], torch.arange(30).expand(FACES, 30))
    assert not torch.equal(literal.ancestors[:, -1], released.ancestors[:, -1])


def test_telescoping_needs_the_last_step():
    assert scorings(8, Sampler(resample_interval=3)) == [2, 5]
    assert scorings(8, Sampler(resample_interval=3, telescoping=True)) == [2, 5, 7]
    assert scorings(6, Sampler(resample_interval=3, telescoping=True)) == [2, 5]


@pytest.mark.parametrize("reading", READINGS)
def test_what_is_scored_is_what_is_shown(reading):
    seen, asked = [], []

    def score(z, t, owners):
        asked.append((z, t))
        return line.log_score(z, t, owners)

    settings = sampler(reading, particles=5, share_duplicates=False)
    run(settings, score, on_scored=lambda *told: seen.append(told))
    assert [(number, step) for number, step, _, _ in seen] == [(i, i) for i in range(60)]
    if reading == "corrected":
        assert [t for _, t in asked] == [0] * 60
    else:
        assert [t for _, t in asked] == [*STEPS[1:], 0]
    for (_, _, particles, scored), (z, _) in zip(seen, asked, strict=True):
        assert torch.equal(scored.flatten(0, 1), z)
        assert (scored is particles) == (reading != "corrected" or z is asked[-1][0])
    first = line.starts(FACES, 5, STEPS[0])
    alpha = line.ALPHA_BAR[STEPS[0]]
    clean = (first - (1 - alpha).sqrt() * line.predict_noise(first, STEPS[0])) / alpha.sqrt()
    assert torch.equal(seen[0][3], clean) == (reading == "corrected")


@pytest.mark.parametrize("reading", READINGS)
def test_a_face_is_edited_the_same_in_any_company(reading):
    settings = sampler(reading, particles=16)
    together = run(settings, faces=4)
    start = line.starts(4, 16, STEPS[0])
    order = [2, 0, 3]
    for chosen in (order, *([i] for i in range(4))):
        found = smc(
            start[chosen],
            STEPS,
            line.predict_noise,
            line.log_score,
            settings,
            line.ALPHA_BAR,
            KEYS[chosen],
        )
        for name in ("particles", "log_weights", "final_scores", "chosen", "scores", "ess", "ancestors"):
            assert torch.equal(getattr(found, name), getattr(together, name)[chosen]), name


def test_seeds_and_faces_have_their_own_noise():
    settings = sampler(particles=8)
    one, other = run(settings), run(settings, seed=1)
    assert not torch.equal(one.particles, other.particles)
    assert len(one.particles[:, 0, 0].unique()) == FACES


def test_scores_know_whose_particles_they_are():
    wanted = torch.linspace(-2, 2, FACES)
    outcome = run(sampler("corrected"), lambda z, t, owners: -8 * (z[:, 0] - wanted[owners]) ** 2)
    found, _ = line.found_moments(outcome)
    assert found.diff().min() > 0 and float((found - wanted).abs().max()) < 0.15


# Timesteps, starts and the leash


def test_the_papers_final_configuration_has_59_steps_from_232():
    found = edit_timesteps(250, 0.23)
    assert len(found) == 59 and found[0] == 232 and found[-1] == 0
    assert {a - b for a, b in pairwise(found)} == {4}


@pytest.mark.parametrize("steps", [10, 50, 150, 250, 500, 1000])
@pytest.mark.parametrize("strength", [0.1, 0.2, 0.23, 0.3, 0.7, 1.0])
def test_timesteps_are_those_of_diffusers(steps, strength):
    scheduler = DDPMScheduler(beta_schedule="scaled_linear")
    scheduler.set_timesteps(steps)
    found, every = edit_timesteps(steps, strength), scheduler.timesteps.tolist()
    assert found == every[len(every) - len(found) :]
    assert len(found) == pytest.approx(strength * (steps - 1) + 1, abs=1)


def test_particles_start_from_one_noise_or_from_their_own():
    z_0 = torch.randn(3, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    keys = KEYS[:3]
    shared, own = (
        start_particles(
            z_0, STEPS, Sampler(particles=5, initial_noise=initial_noise), line.ALPHA_BAR, keys, 0
        )
        for initial_noise in ("shared", "own")
    )
    assert shared.shape == own.shape == (3, 5, 4, 2, 2)
    assert (shared == shared[:, :1]).all() and torch.equal(shared[:, 0], own[:, 0])
    assert len(own.flatten(0, 1)[:, 0, 0, 0].unique()) == 15
    late = start_particles(z_0, [0], Sampler(), line.ALPHA_BAR, keys, 0)
    alpha = line.ALPHA_BAR[0]
    fresh = (late - alpha.sqrt() * z_0[:, None]) / (1 - alpha).sqrt()
    assert float(fresh.std()) == pytest.approx(1, abs=0.3) and float(fresh.mean().abs()) < 0.5


def test_different_particles_are_not_taken_for_copies():
    start = line.starts(2, 3, STEPS[0])
    with pytest.raises(ValueError, match="differ"):
        smc(start, STEPS, line.predict_noise, line.log_score, Sampler(), line.ALPHA_BAR, KEYS[:2])


def test_the_leash_by_hand():
    z, z_0 = torch.full((1, 2, 3), 4.0), torch.full((1, 3), 8.0)
    assert leashed(z, z_0, Sampler(leash=0.25), 3, 200).unique().tolist() == [5.0]
    released = Sampler(leash=0.5, leash_form="released")
    lengths = [(float(leashed(z, z_0, released, step, 2).unique()) - 4) / 4 for step in range(4)]
    assert lengths == [0.25, 0.0, -0.25, -0.5]
    assert leashed(z, None, Sampler(), 0, 200) is z
    with pytest.raises(ValueError, match="z_0"):
        leashed(z, None, Sampler(leash=0.1), 0, 200)


def test_a_leash_holds_the_particles_by_the_source():
    z_0 = torch.full((FACES, 1), -3.0)
    means = [
        float(run(sampler("corrected", particles=200, leash=leash), z_0=z_0).particles.mean())
        for leash in (0.0, 0.1, 0.5)
    ]
    assert means[0] > 1 and means[0] > means[1] > means[2] and means[2] == pytest.approx(-3, abs=0.4)


# Sharing

DEMO = json.loads(
    (Path(facetory.__file__).parent / "diffusion" / "architectures" / "demo-faces.json").read_text()
)
SIZE = 4


@pytest.fixture(scope="module")
def networks():
    """The demo's UNet and autoencoder with random weights, on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield UNet2DModel(**DEMO["unet"]).eval(), AutoencoderKL(**DEMO["vae"]).eval()
    torch.set_num_threads(before)


def edited(networks, settings, strength=0.1):
    """Two faces edited by small random networks; the guide is a number read off the decoded image."""
    unet, vae = networks
    steps = edit_timesteps(60, strength)
    z_0 = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    rows = {"unet": 0, "score": 0}

    def counted(name, function, z):
        rows[name] += len(z)
        return in_fixed_batches(function, z, SIZE)

    def predict_noise(z, t):
        return counted("unet", lambda part: unet(part, t).sample, z)

    def log_score(z, t, owners):
        images = counted("score", lambda part: vae.decode(part).sample, z)
        return torch.nn.functional.logsigmoid(40 * (images.mean((1, 2, 3)) - 0.1 * owners))

    with torch.inference_mode():
        start = start_particles(z_0, steps, settings, line.ALPHA_BAR, KEYS[:2], 0)
        found = smc(start, steps, predict_noise, log_score, settings, line.ALPHA_BAR, KEYS[:2])
    assert found.counts == rows
    return found


@pytest.mark.parametrize(
    ("reading", "changes"),
    [
        ("paper", {}),
        ("paper", {"resample_interval": 2}),
        ("paper", {"scored": "x0"}),
        ("code", {}),
        ("corrected", {"ess_threshold": 1.0}),
        ("corrected", {"ess_threshold": 1.0, "scheme": "multinomial", "potential": "max"}),
    ],
)
def test_sharing_changes_no_bit(networks, reading, changes):
    settings = Sampler(**{**READINGS[reading], "particles": 6, "guidance_scale": 20.0, **changes})
    shared = edited(networks, settings)
    alone = edited(networks, settings.model_copy(update={"share_duplicates": False}))
    for name in shared._fields:
        if name != "counts":
            mine, theirs = getattr(shared, name), getattr(alone, name)
            assert torch.equal(mine, theirs) if isinstance(mine, torch.Tensor) else mine == theirs, name
    assert alone.counts == alone.unshared == shared.unshared
    assert shared.counts["unet"] < alone.counts["unet"]
    if settings.scored == "x0":
        assert shared.counts == {"unet": shared.counts["unet"], "score": shared.counts["unet"]}


@pytest.mark.parametrize(("spread", "expected"), [(0.0, 12.83), (2.0, 6.6)])
def test_twenty_particles_have_so_many_distinct_parents(spread, expected):
    """Flat weights leave 20 (1 − (19/20)^20); log-weights of standard deviation 2 about half of that."""
    settings = Sampler(initial_noise="own", guidance_scale=1.0)
    random = torch.Generator().manual_seed(5)
    start = line.starts(40, 20, STEPS[0])

    def log_score(z, t, owners):
        return spread * torch.randn(len(z), generator=random)

    found = smc(start, STEPS, line.predict_noise, log_score, settings, line.ALPHA_BAR, np.arange(40))
    parents = torch.tensor([[len(set(row)) for row in face] for face in found.ancestors.tolist()])
    assert float(parents.double().mean()) == pytest.approx(expected, abs=0.15)
    assert found.counts["unet"] == 40 * 20 + int(parents[:, :-1].sum())


def test_distinct_particles_and_back():
    twins = torch.tensor([[0, 0, 2], [1, 1, 1]])
    rows = distinct(twins)
    assert rows.positions.tolist() == [0, 2, 3] and rows.owners.tolist() == [0, 0, 1]
    z = torch.tensor([[5.0, 5.0, 6.0], [7.0, 7.0, 7.0]])
    assert rows.of(z).tolist() == [5.0, 6.0, 7.0] and torch.equal(rows.to_all(rows.of(z)), z)


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 8])
def test_forward_passes_have_one_size(rows):
    sizes = []

    def double(part):
        sizes.append(len(part))
        return 2 * part

    z = torch.arange(rows * 2.0).view(rows, 2)
    assert torch.equal(in_fixed_batches(double, z, 4), 2 * z)
    assert sizes == [4] * math.ceil(rows / 4)


def test_in_batches_of_one_size_a_row_is_on_its_own(networks):
    unet, _ = networks
    z = torch.randn(9, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    order = torch.randperm(9, generator=torch.Generator().manual_seed(3))

    def predict(part):
        return unet(part, 100).sample

    with torch.inference_mode():
        found = in_fixed_batches(predict, z, SIZE)
        assert torch.equal(in_fixed_batches(predict, z[order], SIZE), found[order])
        assert torch.equal(in_fixed_batches(predict, z[order[:2]], SIZE), found[order[:2]])
