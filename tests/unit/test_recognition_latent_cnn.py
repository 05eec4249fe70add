"""A classifier on latents that is told their noise, and learns at random noise."""

import numpy as np
import pytest
import torch
from facetory.cli.classifier import app
from facetory.diffusion.schedule import add_noise, alphas_cumprod
from facetory.metrics.records import read_records
from facetory.pipeline.files import FacetoryError, read_json
from facetory.pipeline.randomness import normal, sample_keys
from facetory.recognition.evaluate import evaluate_classifier
from facetory.recognition.guide import load_guide
from facetory.recognition.latent_cnn import NoisyExpressions, latent_cnn
from facetory.recognition.networks import build
from facetory.recognition.spec import ClassifierEvalSpec, ClassifierSpec
from facetory.recognition.train import train_classifier
from facetory.recognition.views import latent_views
from labelled import dataset
from safetensors.torch import load_file
from typer.testing import CliRunner

SPEC = ClassifierSpec(
    network="latent_cnn",
    view="latents",
    size="small",
    dataset="drawn",
    px=16,
    steps=60,
    batch_size=16,
    lr=3e-3,
    checkpoint_every=20,
    noised_to=400,
)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("drawn")
    _, train, test = dataset(folder, latents_tell=True)
    train_classifier(SPEC, train, folder / "classifier", folder / "checkpoints")
    return {"train": train, "test": test, "classifier": folder / "classifier"}


def task(places, spec=SPEC):
    data = latent_views(places["train"], True)
    return NoisyExpressions(data, build(spec, 7, 4, 8), torch.Tensor.float, spec)


@pytest.mark.parametrize(("channels", "side", "size"), [(4, 32, "paper"), (4, 16, "small"), (8, 8, "small")])
def test_it_fits_the_latents_of_both_scales(channels, side, size):
    torch.manual_seed(0)
    network, latents = latent_cnn(channels, side, 7, size).eval(), torch.randn(3, channels, side, side)
    with torch.inference_mode():
        clean, noisy = network(latents), network(latents, 500)
        each = network(latents, torch.tensor([0, 500, 0]))
    assert clean.shape == (3, 7) and not torch.allclose(clean, noisy)
    torch.testing.assert_close(each[[0, 2]], clean[[0, 2]])
    torch.testing.assert_close(each[1], noisy[1])


def test_what_it_learnt_holds_under_noise(places):
    guide, test = load_guide(places["classifier"], SPEC), latent_views(places["test"])
    latents, keys = torch.from_numpy(test.views[:, 0]), sample_keys(test.sample_ids)
    alpha_bar = alphas_cumprod(1000, SPEC.beta_start, SPEC.beta_end)
    right = {}
    for timestep in (0, 100, 300):
        noise = torch.from_numpy(normal(1, keys, timestep, latents[0].numel())).reshape(latents.shape)
        found = guide.log_probabilities(add_noise(latents, noise, alpha_bar[timestep]), timestep)
        right[timestep] = (found.argmax(1).numpy() == test.labels).mean()
    assert right[0] > 0.95 and right[100] > 0.9 and right[300] > 0.8
    assert not torch.allclose(guide.log_probabilities(latents), guide.log_probabilities(latents, 300))


def test_half_of_the_timesteps_are_small(places):
    keys = np.arange(20_000, dtype=np.int64)
    drawn = task(places).timesteps(keys, 3)
    assert drawn.min() == 0 and 390 < drawn.max() < 400
    few = (drawn < 40).mean()
    assert few == pytest.approx(0.5 + 0.5 * 0.1, abs=0.012)
    above = np.bincount(drawn[drawn >= 40] // 40, minlength=10)[1:]
    assert above.min() > 0.9 * above.mean() and above.max() < 1.1 * above.mean()


def test_noise_is_that_of_the_forward_process_and_of_the_sample(places, monkeypatch):
    """The network is given √ᾱ z + √(1-ᾱ) ε: with z taken away, unit noise; alone or among others."""
    learnt, seen = task(places), {}

    def spy(latents, timesteps):
        seen["latents"], seen["timesteps"] = latents, timesteps
        return torch.zeros(len(latents), 7)

    monkeypatch.setattr(learnt, "network", spy)
    learnt.loss(np.arange(72), 5)
    noisy, timesteps = seen["latents"], seen["timesteps"]
    assert timesteps.tolist() == learnt.timesteps(learnt.keys, 5).tolist()
    alpha_bar = alphas_cumprod(1000, SPEC.beta_start, SPEC.beta_end)[timesteps][:, None, None, None]
    noise = (noisy - alpha_bar.sqrt() * learnt.inputs(np.arange(72), 5)) / (1 - alpha_bar).sqrt()
    assert abs(float(noise.mean())) < 0.03 and float(noise.std()) == pytest.approx(1, abs=0.03)
    learnt.loss(np.array([9, 4]), 5)
    torch.testing.assert_close(seen["latents"], noisy[[9, 4]], rtol=0, atol=0)
    learnt.loss(np.array([9, 4]), 6)
    assert not torch.allclose(seen["latents"], noisy[[9, 4]])


def test_killed_and_resumed_equals_undisturbed(places, tmp_path, monkeypatch):
    spec = SPEC.model_copy(update={"steps": 7, "checkpoint_every": 2})
    train_classifier(spec, places["train"], tmp_path / "whole", tmp_path / "k1")
    logits = NoisyExpressions.logits

    def killed(learnt, positions, step):
        if step == 5:
            raise KeyboardInterrupt
        return logits(learnt, positions, step)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(NoisyExpressions, "logits", killed)
        train_classifier(spec, places["train"], tmp_path / "killed", tmp_path / "k2")
    train_classifier(spec, places["train"], tmp_path / "killed", tmp_path / "k2")
    assert read_json(tmp_path / "killed" / "manifest.json")["training"]["resumed_from"] == 4
    first, second = (load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_its_records_are_those_of_clean_latents(places, tmp_path):
    spec = ClassifierEvalSpec(train=SPEC, dataset="drawn", split="test")
    evaluate_classifier(spec, places["classifier"], {"clean": places["test"]}, tmp_path)
    records = read_records(tmp_path / "clean.safetensors")
    guide, test = load_guide(places["classifier"], SPEC), latent_views(places["test"])
    expected = -guide.log_probabilities(test.views[:, 0], 0).detach()
    np.testing.assert_allclose(records.errors[:, 0], expected, rtol=1e-4, atol=1e-6)
    assert records.timesteps.tolist() == [0]


def test_a_person_trains_one(places, tmp_path):
    spec = SPEC.model_copy(update={"steps": 2})
    line = ["train", "--spec", spec.canonical(), "--latents", str(places["train"])]
    line += ["--folder", str(tmp_path / "c"), "--checkpoints", str(tmp_path / "k")]
    assert CliRunner().invoke(app, line).exit_code == 0
    assert read_json(tmp_path / "c" / "manifest.json")["status"] == "trained"


def test_it_sees_latents_alone(places, tmp_path):
    spec = SPEC.model_copy(update={"view": "faces"})
    with pytest.raises(FacetoryError, match="latent_cnn sees latents alone; view 'faces' is for apvit, "):
        build(spec, 7)
