"""Training SMC's diffusion model: what it learns from, its loss, and runs that are killed or diverge."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from facetory.diffusion import snapshot
from facetory.diffusion.denoising import Latents, NoisePrediction
from facetory.diffusion.schedule import alphas_cumprod
from facetory.diffusion.unconditional import load_unconditional, new_unconditional
from facetory.pipeline.files import FacetoryError, sha256_of, write_tensors
from facetory.smc.spec import SMCTrainSpec
from facetory.smc.train import read_latents, starting_unet, train_smc
from safetensors.torch import load_file

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


def write_latents(path, dataset="drawn", samples=10, level=1.0, views=2, **changes):
    """Latents 4×8×8 of faces s0, s1, … around ``level``; mirror images around its negative."""
    random = np.random.default_rng(len(dataset))
    signs = np.array([1, -1][:views])[:, None, None, None]
    mean = level * signs + 0.1 * random.normal(size=(samples, views, 4, 8, 8))
    tensors = {"mean": mean.astype(np.float16), "logvar": np.full_like(mean, -4, np.float16)}
    about = {"sample_ids": [f"s{i}" for i in range(samples)], "dataset": dataset}
    shared = {"encoder": "tiny", "px": 32, "scaling_factor": 0.5}
    write_tensors(path, tensors | {"labels": np.zeros(samples, np.int64)}, about | shared | changes)
    return path


def spec(**changes):
    about = {"dataset": "drawn", "backbone": "tiny", "px": 32, "architecture": "demo-faces"}
    settings = {"steps": 4, "batch_size": 4, "lr": 1e-3, "checkpoint_every": 1}
    return SMCTrainSpec(**(about | settings | changes))


def run(folder, latents, **changes):
    torch.set_num_threads(1)
    asked = spec(**changes)
    train_smc(asked, latents, folder / "run", folder / "checkpoints", asked.device)
    return json.loads((folder / "run" / "manifest.json").read_text())


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("latents")
    return [
        write_latents(folder / "drawn.safetensors"),
        write_latents(folder / "grey.safetensors", "grey", samples=6, level=3.0),
    ]


def test_all_faces_of_all_files_are_learnt_from_each_by_its_own_name(two):
    learnt = read_latents(two)
    assert learnt.mean.shape == (16, 2, 4, 8, 8) and learnt.scaling_factor == 0.5
    assert learnt.mean[:10, 0].float().mean() == pytest.approx(1, abs=0.02)
    assert learnt.mean[10:, 1].float().mean() == pytest.approx(-3, abs=0.02)
    assert len(set(learnt.keys.tolist())) == 16, "s0 of one dataset is not s0 of the other"
    alone = read_latents(two[1:])
    assert torch.equal(alone.keys, learnt.keys[10:])


@pytest.mark.parametrize(
    ("name", "value"), [("encoder", "sd-vae-ft-ema"), ("px", 64), ("scaling_factor", 0.18215)]
)
def test_latents_that_do_not_agree_are_refused_by_name(two, tmp_path, name, value):
    other = write_latents(tmp_path / "other.safetensors", "other", **{name: value})
    with pytest.raises(FacetoryError, match=rf"other\.safetensors: its {name} is {value}, that of .*drawn"):
        run(tmp_path, [two[0], other], also=("other",))
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_latents_without_mirror_images_are_refused(tmp_path):
    with pytest.raises(FacetoryError, match="holds no mirror images"):
        run(tmp_path, [write_latents(tmp_path / "one.safetensors", views=1)])


def known(unet, beta_end=0.02):
    """A task on one latent of 2 without spread, seen through a stand-in for the UNet."""
    mean = torch.full((1, 2, 4, 8, 8), 4.0)
    latents = Latents(mean, torch.full_like(mean, -60), torch.tensor([5]), 0.5)
    return NoisePrediction(unet, latents, alphas_cumprod(1000, 1e-4, beta_end))


def test_the_loss_is_the_mean_squared_error_of_the_noise():
    """ε is what is left of √ᾱ x + √(1-ᾱ) ε when x is known; 0 misses all of its variance."""
    alpha_bar = alphas_cumprod(1000, 1e-4, 0.02)

    def oracle(noisy, timestep):
        a = alpha_bar[timestep][:, None, None, None]
        return SimpleNamespace(sample=(noisy - a.sqrt() * 2) / (1 - a).sqrt())

    positions = np.zeros(64, dtype=np.int64)
    for step in range(3):
        assert known(oracle).loss(positions, step)[0].item() < 1e-6
        assert known(oracle, beta_end=0.012).loss(positions, step)[0].item() > 1e-4
    blind = known(lambda noisy, timestep: SimpleNamespace(sample=0 * noisy))
    losses = [blind.loss(positions[:1], step)[0].item() for step in range(200)]
    assert np.mean(losses) == pytest.approx(1, abs=0.02)


def test_draws_belong_to_the_sample_and_the_step(two):
    task = NoisePrediction(None, read_latents(two), alphas_cumprod())
    first = task._draws(torch.tensor([3, 12]), torch.tensor(8))
    second = task._draws(torch.tensor([1, 12, 3]), torch.tensor(8))
    assert all(torch.equal(a, b[[2, 1]]) for a, b in zip(first, second, strict=True))
    later = task._draws(torch.tensor([3, 12]), torch.tensor(9))
    assert not any(torch.equal(a, b) for a, b in zip(first, later, strict=True))


def test_both_mirror_images_and_all_timesteps_are_drawn(two):
    task = NoisePrediction(None, read_latents(two[:1]), alphas_cumprod())
    drawn = [task._draws(torch.arange(10), torch.tensor(step)) for step in range(300)]
    original = torch.cat([latents.mean((1, 2, 3)) for latents, _, _ in drawn]) > 0
    assert original.float().mean() == pytest.approx(0.5, abs=0.03)
    timesteps = torch.cat([t for _, _, t in drawn]).float()
    assert (torch.histc(timesteps, 10, 0, 1000) / len(timesteps) - 0.1).abs().max() < 0.02


def test_a_run_leaves_model_progress_and_manifest(two, tmp_path):
    about = run(tmp_path, two, also=("grey",))
    assert about["status"] == "trained" and about["spec"] == json.loads(spec(also=("grey",)).canonical())
    assert (about["samples"], about["epochs"]) == (16, 1.0)
    unet = load_unconditional(tmp_path / "run", sha256=about["outputs"])
    assert about["parameters"] == sum(weight.numel() for weight in unet.parameters())
    assert set(about["inputs"]) == set(map(str, two))
    assert {w.dtype for w in load_file(tmp_path / "run" / WEIGHTS).values()} == {torch.float32}
    last = json.loads((tmp_path / "run" / "progress.jsonl").read_text().splitlines()[-1])
    assert last["step"] == 4 and last["loss"] == about["training"]["last"]["loss"]


def test_it_learns(two, tmp_path):
    about = run(tmp_path, two[:1], steps=60, batch_size=16, lr=2e-3, decay="cosine", checkpoint_every=100)
    log = [json.loads(line) for line in (tmp_path / "run" / "progress.jsonl").read_text().splitlines()]
    assert log[-1]["loss"] < 0.7 * log[0]["loss"] and about["epochs"] == 96


@pytest.mark.parametrize("changes", [{"precision": "bf16"}, {"ema": 0.5}])
def test_precision_and_running_mean_reach_the_loop(two, tmp_path, changes):
    weights = []
    for name, own in (("plain", {}), ("changed", changes)):
        assert run(tmp_path / name, two[:1], **own)["status"] == "trained"
        weights.append(load_file(tmp_path / name / "run" / WEIGHTS))
    first, second = (torch.cat([w.flatten() for w in part.values()]) for part in weights)
    assert 0 < (first - second).abs().max() < 0.01


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_half_precision_on_the_gpu_trains_as_single_precision_on_the_cpu(two, tmp_path):
    losses = []
    for name, own in (("cpu", {}), ("gpu", {"device": "cuda", "precision": "fp16"})):
        about = run(tmp_path / name, two, also=("grey",), steps=20, **own)
        losses.append(about["training"]["last"]["loss"])
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_a_run_that_was_stopped_ends_bit_equal(two, tmp_path, monkeypatch):
    changes = {"also": ("grey",), "ema": 0.9, "steps": 7, "decay": "cosine"}
    run(tmp_path / "whole", two, **changes)
    loss = NoisePrediction.loss

    def stop_at_4(task, positions, step):
        if step == 4:
            raise KeyboardInterrupt
        return loss(task, positions, step)

    monkeypatch.setattr(NoisePrediction, "loss", stop_at_4)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", two, **changes)
    assert not (tmp_path / "stopped" / "run" / "unet").exists()
    monkeypatch.setattr(NoisePrediction, "loss", loss)
    assert run(tmp_path / "stopped", two, **changes)["training"]["resumed_from"] == 4
    first, second = (sha256_of(tmp_path / name / "run" / WEIGHTS) for name in ("whole", "stopped"))
    assert first == second


def test_a_diverging_run_is_a_result_and_leaves_no_weights(two, tmp_path):
    run(tmp_path, two[:1])
    assert (tmp_path / "run" / WEIGHTS).exists()
    about = run(tmp_path, two[:1], steps=60, lr=50.0, clip=0.0)
    assert about["status"] == "failed" and "diverged at step" in about["reason"]
    assert not (tmp_path / "run" / "unet").exists()


def test_training_starts_from_a_released_model(two, tmp_path):
    """Its weights are rounded to float16 there; at a learning rate of 0 they stay what they were."""
    torch.manual_seed(5)
    released = new_unconditional("demo-faces")
    snapshot.save(released, tmp_path / "model" / "unet")
    initial = str(tmp_path / "model")
    about = run(tmp_path, two[:1], initial=initial, lr=0.0, steps=1)
    trained = load_unconditional(tmp_path / "run").state_dict()
    assert all(torch.equal(trained[name], w.half().float()) for name, w in released.state_dict().items())
    assert str(tmp_path / "model" / WEIGHTS) in about["inputs"]


def test_a_model_of_another_architecture_or_other_latents_is_no_start(tmp_path):
    snapshot.save(new_unconditional("demo-faces", channels=8), tmp_path / "unet")
    with pytest.raises(FacetoryError, match=r"have in_channels 8, architecture 'demo-faces' .* has 4"):
        starting_unet(spec(initial=str(tmp_path)), channels=4)
    assert starting_unet(spec(initial=str(tmp_path)), channels=8).config.in_channels == 8
    other = new_unconditional("demo-faces", channels=4).from_config(
        new_unconditional("demo-faces").config | {"attention_head_dim": 16}
    )
    snapshot.save(other, tmp_path / "unet")
    with pytest.raises(FacetoryError, match=r"have attention_head_dim 16, .* has 8"):
        starting_unet(spec(initial=str(tmp_path)), channels=4)
    with pytest.raises(FacetoryError, match=r"nowhere: there is no unet/config\.json"):
        starting_unet(spec(initial=str(tmp_path / "nowhere")), channels=4)


def test_random_weights_are_the_seeds():
    first, again, other = (starting_unet(spec(seed=seed), 4).conv_in.weight for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
