import numpy as np
import pytest
import torch
from emodc_street import CLASSES, D, L, tiny_unet
from facetory.diffusion import lora
from facetory.diffusion.schedule import add_noise, alphas_cumprod, velocity
from facetory.emodc.classifier import errors_by_class
from facetory.emodc.errors import noise_prediction_errors, share_text
from facetory.pipeline.randomness import normal, sample_keys, stream_key

ALPHA_BARS = alphas_cumprod()
TIMESTEPS = np.array([0, 99, 499, 999])
IDS = [f"face-{i}" for i in range(9)]


@pytest.fixture(scope="module")
def latents():
    return torch.randn(len(IDS), 4, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def tokens():
    return torch.randn(len(CLASSES), L, D, generator=torch.Generator().manual_seed(2))


def measured(latents, tokens, ids=IDS, **options):
    unet = share_text(tiny_unet())
    prediction_type = options.pop("prediction_type", "epsilon")
    return errors_by_class(
        unet, latents, sample_keys(ids), TIMESTEPS, tokens, ALPHA_BARS, prediction_type, **options
    )


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_equal_to_a_plain_triple_loop(latents, tokens, prediction_type):
    """Over timesteps, classes and images, with diffusers' own attention and one row at a time."""
    unet, key = tiny_unet(), stream_key(7, "emodc", "evaluation noise")
    expected = np.zeros((len(IDS), len(TIMESTEPS), len(CLASSES)))
    with torch.inference_mode():
        for j, t in enumerate(TIMESTEPS):
            alpha_bar = ALPHA_BARS[t].double()
            for k in range(len(CLASSES)):
                for i, sample_key in enumerate(sample_keys(IDS)):
                    noise = normal(key, torch.tensor([sample_key]), int(t), 4 * 8 * 8).view(1, 4, 8, 8)
                    noisy = alpha_bar.sqrt() * latents[i : i + 1] + (1 - alpha_bar).sqrt() * noise
                    output = unet(noisy.float(), int(t), tokens[k : k + 1]).sample
                    if prediction_type == "v_prediction":
                        output = alpha_bar.sqrt() * output + (1 - alpha_bar).sqrt() * noisy
                    expected[i, j, k] = (output - noise).square().mean()
    found = measured(latents, tokens, noise_seed=7, prediction_type=prediction_type)
    np.testing.assert_allclose(found, expected, rtol=2e-5)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_batch_size_does_not_matter(latents, tokens, batch_size):
    np.testing.assert_allclose(
        measured(latents, tokens, batch_size=batch_size), measured(latents, tokens), rtol=2e-5
    )


def test_order_does_not_matter(latents, tokens):
    order = np.random.default_rng(0).permutation(len(IDS))
    shuffled = measured(latents[order], tokens, [IDS[i] for i in order], batch_size=7)
    np.testing.assert_allclose(shuffled, measured(latents, tokens)[order], rtol=2e-5)


def test_order_of_classes_only_reorders_them(latents, tokens):
    order = [2, 0, 1]
    np.testing.assert_allclose(
        measured(latents, tokens[order]), measured(latents, tokens)[..., order], rtol=2e-5
    )


def test_noise_depends_on_seed_sample_and_timestep(latents, tokens):
    same = latents[:1].expand(2, -1, -1, -1)
    errors = measured(same, tokens, ["a", "b"])
    assert not np.isclose(errors[0], errors[1], rtol=1e-3).any()
    assert not np.isclose(errors[0], measured(same[:1], tokens, ["a"], noise_seed=1)[0], rtol=1e-3).any()


def test_shapes_and_type(latents, tokens):
    errors = measured(latents, tokens)
    assert errors.shape == (9, 4, 3) and errors.dtype == np.float32
    assert (errors > 0).all()


def test_bf16_errors_are_close_and_float32(latents, tokens):
    exact, half = measured(latents, tokens), measured(latents, tokens, precision="bf16")
    assert half.dtype == np.float32 and not np.array_equal(half, exact)
    np.testing.assert_allclose(half, exact, rtol=0.02)


def test_a_perfect_network_has_no_error(latents, tokens):
    """A network that returns ε (or v) exactly has error 0 under either parametrisation."""
    noise, steps = torch.randn_like(latents), torch.arange(9) * 111
    for prediction_type, target in (
        ("epsilon", noise),
        ("v_prediction", velocity(latents, noise, ALPHA_BARS[steps])),
    ):

        def oracle(noisy, timesteps, tokens, cross_attention_kwargs, target=target):
            from types import SimpleNamespace

            torch.testing.assert_close(noisy[:9], add_noise(latents, noise, ALPHA_BARS[steps]))
            return SimpleNamespace(sample=target.repeat(len(tokens), 1, 1, 1))

        errors = noise_prediction_errors(oracle, latents, noise, steps, tokens, ALPHA_BARS, prediction_type)
        assert errors.shape == (9, 3) and errors.max() < 1e-11


def test_v_prediction_error_is_the_weighted_velocity_error(latents, tokens):
    """‖ε̂ − ε‖² = ᾱ_t ‖v̂ − v‖²."""
    unet, steps = share_text(tiny_unet()), torch.full((9,), 700)
    noise = torch.randn_like(latents)
    noisy = add_noise(latents, noise, ALPHA_BARS[steps])
    with torch.no_grad():
        errors = noise_prediction_errors(unet, latents, noise, steps, tokens, ALPHA_BARS, "v_prediction")
        output = unet(noisy, steps, tokens[:1]).sample
    velocity_error = (output - velocity(latents, noise, ALPHA_BARS[steps])).square().flatten(1).mean(1)
    torch.testing.assert_close(errors[:, 0], ALPHA_BARS[700] * velocity_error, rtol=1e-4, atol=1e-6)


def test_named_prompts_equal_expanded_tokens_with_their_gradients(latents, tokens):
    prompts = torch.tensor([[0, 1], [2, 0], [1, 2], [1, 0], [0, 2], [2, 1], [0, 1], [2, 0], [1, 1]])
    steps, noise = torch.arange(9) * 100, torch.randn_like(latents)
    plain, shared = tiny_unet(), share_text(tiny_unet())
    for unet in (plain, shared):
        weights = lora.inject(unet, 2, 2)
        with torch.no_grad():
            for weight in weights.values():
                weight.copy_(0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(3)))
    errors = noise_prediction_errors(shared, latents, noise, steps, tokens, ALPHA_BARS, "epsilon", prompts)
    errors.sum().backward()
    noisy = add_noise(latents, noise, ALPHA_BARS[steps])
    columns = [unet_error(plain, noisy, noise, steps, tokens[prompts[:, r]]) for r in range(2)]
    torch.stack(columns, 1).sum().backward()
    torch.testing.assert_close(errors, torch.stack(columns, 1), rtol=1e-5, atol=1e-6)
    theirs = lora.trainable_parameters(plain)
    for name, weight in lora.trainable_parameters(shared).items():
        torch.testing.assert_close(weight.grad, theirs[name].grad, rtol=1e-4, atol=1e-5)


def unet_error(unet, noisy, noise, steps, tokens):
    return (unet(noisy, steps, tokens).sample - noise).square().flatten(1).mean(1)
