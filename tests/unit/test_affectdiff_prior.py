"""Affect-Diff's diffusion prior: schedule, guidance, DDIM, inversion, the 1-D U-Net."""

import math

import pytest
import torch
from facetory.affectdiff import prior
from facetory.affectdiff.spec import ModelSpec
from facetory.affectdiff.unet1d import UNet1D, doubled, halved
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

SMALL = ModelSpec(latent=8, prior_width=8)


class Linear(nn.Module):
    """ε̂ = a z + b label + c Σw; it keeps what it was called with."""

    null = 6

    def __init__(self, a=0.3, b=0.1, c=0.0, count=1000):
        super().__init__()
        self.a, self.b, self.c, self.calls = a, b, c, []
        self.alpha_bars = prior.cosine_alpha_bars(count)

    def forward(self, z_t, timestep, label, condition=None, valid=None):
        self.calls.append((len(z_t), timestep.tolist()))
        told = 0 if condition is None else self.c * condition.sum(1)[:, None, None]
        return self.a * z_t + self.b * label[:, None, None] + told


def test_the_cosine_schedule():
    """ᾱ_t = f((t+1)/T) / f(0), f(s) = cos²((s + .008) / 1.008 · π/2), but where β is clipped."""
    alpha_bars = prior.cosine_alpha_bars(1000)

    def f(share):
        return math.cos((share + 0.008) / 1.008 * math.pi / 2) ** 2

    for t in (0, 10, 499, 900):
        assert alpha_bars[t].item() == pytest.approx(f((t + 1) / 1000) / f(0), rel=1e-4)
    assert (alpha_bars[1:] < alpha_bars[:-1]).all() and alpha_bars[-1] > 0


def test_the_released_code_clips_beta_at_both_ends():
    kept, clipped = prior.cosine_alpha_bars(1000), prior.cosine_alpha_bars(1000, (1e-4, 0.9999))
    assert clipped[0].item() == pytest.approx(1 - 1e-4, rel=1e-6) and kept[0] > clipped[0]
    assert (clipped[-1] / clipped[-2]).item() == pytest.approx(1e-4, rel=1e-2)
    assert (kept[-1] / kept[-2]).item() == pytest.approx(1e-3, rel=1e-2)


def test_noisy_latents_are_a_mixture():
    z, noise = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    mixed = prior.noisy(z, noise, torch.tensor([0.64, 1.0]))
    assert torch.allclose(mixed[0], 0.8 * z[0] + 0.6 * noise[0]) and torch.equal(mixed[1], z[1])


def test_guidance_is_one_batch_of_both_predictions():
    network, z = Linear(a=0.5, b=0.25, c=2.0), torch.randn(3, 2, 4)
    labels, condition = torch.tensor([0, 2, 5]), torch.rand(3, 3)
    predicted = prior.predict(network, z, torch.tensor([7, 8, 9]), labels, condition, 3.0)
    shared = 0.5 * z + 2 * condition.sum(1)[:, None, None]
    null, told = shared + 0.25 * 6, shared + 0.25 * labels[:, None, None]
    assert torch.allclose(predicted, null + 3 * (told - null), atol=1e-5)
    assert network.calls == [(6, [7, 8, 9, 7, 8, 9])]


def test_guidance_of_one_is_the_conditional_prediction_alone():
    network, z = Linear(b=0.25), torch.randn(2, 2, 4)
    predicted = prior.predict(network, z, torch.tensor([7, 8]), torch.tensor([1, 2]))
    assert network.calls == [(2, [7, 8])]
    assert torch.allclose(predicted, 0.3 * z + 0.25 * torch.tensor([1.0, 2])[:, None, None])


def test_ddim_by_hand():
    """Two steps, t = 501 and 1: z' = √ᾱ' (z − √(1−ᾱ) ε̂)/√ᾱ + √(1−ᾱ') ε̂ with ε̂ = .3 z + .1 y."""
    network, z = Linear(), torch.tensor([[[1.5]], [[-0.2]]])
    labels = torch.tensor([3, 0])
    expected = []
    for value, label in ((1.5, 3), (-0.2, 0)):
        for here, there in ((501, 1), (1, 0)):
            now, following = (float(network.alpha_bars[t]) for t in (here, there))
            noise = 0.3 * value + 0.1 * label
            clean = (value - math.sqrt(1 - now) * noise) / math.sqrt(now)
            value = math.sqrt(following) * clean + math.sqrt(1 - following) * noise
        expected.append(value)
    found = prior.ddim(network, z, labels, steps=2, guidance_scale=1.0)
    assert found.flatten().tolist() == pytest.approx(expected, rel=1e-5)


def test_strength_is_the_share_of_the_steps():
    network = Linear()
    assert prior.timesteps_of(network, 50)[0] == 981
    assert prior.timesteps_of(network, 50, 0.3) == list(range(281, 0, -20))
    assert prior.timesteps_of(network, 50, 0.0) == [1]


def test_clamped_sampling_keeps_the_clean_latent_within_bounds():
    network, z = Linear(a=0.0, b=0.0), torch.full((1, 1, 1), 3.0)
    labels = torch.tensor([0])
    free = prior.ddim(network, z, labels, steps=50, guidance_scale=1.0)
    held = prior.ddim(network, z, labels, steps=50, guidance_scale=1.0, clamp=2.0)
    assert free.item() > 50 and held.item() == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize(("scale", "strength"), [(1.0, 1.0), (1.0, 0.4), (3.0, 0.5)])
def test_inversion_leads_back(scale, strength):
    network, z = Linear(a=0.2, b=0.02), torch.randn(3, 2, 4)
    labels = torch.tensor([0, 2, 5])
    settings = {"steps": 50, "guidance_scale": scale, "strength": strength}
    noise = prior.ddim_invert(network, z, labels, **settings, evaluations=6)
    assert (noise - z).abs().max() > 0.1
    assert torch.allclose(prior.ddim(network, noise, labels, **settings), z, atol=1e-3)


def test_more_evaluations_invert_more_exactly():
    network, z = Linear(a=0.6), torch.randn(3, 2, 4)
    labels = torch.tensor([1, 2, 3])

    def error(evaluations):
        noise = prior.ddim_invert(network, z, labels, steps=10, evaluations=evaluations)
        return (prior.ddim(network, noise, labels, None, 10, 1.0) - z).abs().max()

    assert error(8) < error(3) < error(1)


@given(st.integers(4, 30), st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_the_network_keeps_any_length(length, seed):
    torch.manual_seed(seed)
    z = torch.randn(2, 8, length)
    predicted = UNet1D(SMALL)(z, torch.tensor([0, 999]), torch.tensor([0, 6]))
    assert predicted.shape == z.shape and predicted.isfinite().all()


def test_the_network_reads_timestep_label_and_weights():
    torch.manual_seed(0)
    network, z = UNet1D(SMALL), torch.randn(1, 8, 12)
    t, y, w = torch.tensor([10]), torch.tensor([2]), torch.tensor([[0.2, 0.3, 0.5]])
    base = network(z, t, y, w)
    for other in ((t + 500, y, w), (t, y + 1, w), (t, y, w.flip(1))):
        assert (network(z, *other) - base).abs().max() > 1e-4
    assert torch.equal(network(z, t, y), network(z, t, y, torch.ones(1, 3)))


@pytest.mark.parametrize("length", [50, 13, 8])
def test_a_full_mask_is_no_mask(length):
    torch.manual_seed(0)
    network, z = UNet1D(SMALL), torch.randn(2, 8, length)
    t, y = torch.tensor([3, 700]), torch.tensor([1, 6])
    whole = network(z, t, y, valid=torch.ones(2, length, dtype=torch.bool))
    assert torch.allclose(whole, network(z, t, y), atol=1e-5)


def test_padding_does_not_reach_the_prediction():
    """Padding longer, or with other values, changes nothing inside; outside the prediction is zero."""
    torch.manual_seed(0)
    network, t, y = UNet1D(SMALL), torch.tensor([3, 700]), torch.tensor([1, 6])
    lengths = torch.tensor([13, 9])
    z = torch.randn(2, 8, 13)

    def predicted(length, garbage):
        valid = torch.arange(length) < lengths[:, None]
        padded = torch.full((2, 8, length), garbage)
        padded[..., :13] = z
        padded = torch.where(valid[:, None], padded, torch.tensor(garbage))
        return network(padded, t, y, valid=valid)

    base = predicted(13, 0.0)
    assert base[1, :, 9:].eq(0).all() and base[1, :, :9].ne(0).all()
    for length in (14, 15, 16, 21):
        assert torch.allclose(predicted(length, 50.0)[..., :13], base, atol=1e-5)


def test_masks_of_other_resolutions():
    mask = torch.tensor([[[1.0, 1, 1, 1, 1], [1, 1, 1, 0, 0]]])
    half = halved(mask)
    assert half.tolist() == [[[1, 1], [1, 0]]]
    assert doubled(torch.ones(1, 2, 4), half, 5).tolist() == [[[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]]]
