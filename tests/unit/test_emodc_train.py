import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import emodc_street
import numpy as np
import pytest
import torch
from emodc_street import CLASSES, build, train_spec
from facetory.emodc import train
from facetory.emodc.train import EmoDCTask, train_emodc
from facetory.pipeline.files import FacetoryError, read_metadata, sha256_of
from safetensors.numpy import load_file


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    torch.set_num_threads(1)
    return build(tmp_path_factory.mktemp("street"))


def task(street, **changes):
    return EmoDCTask(train_spec(**changes), *street.values())


POSITIONS = np.arange(12)


def test_negative_classes_are_wrong_and_uniform(street):
    worker = task(street)
    prompts = np.concatenate([worker._prompts(POSITIONS, step) for step in range(400)])
    labels = np.tile(worker.latents.labels, 400)
    assert (prompts[:, 0] == labels).all()
    assert (prompts[:, 1] != labels).all()
    share = np.mean([prompts[labels == k, 1] == (k + 1) % 3 for k in range(3)])
    assert share == pytest.approx(0.5, abs=0.03)


def test_non_class_and_null_prompts_are_the_last_rows(street):
    assert (task(street, non_negative_prompt="non_class")._prompts(POSITIONS, 0)[:, 2] == 3).all()
    assert (task(street, non_negative_prompt="null")._prompts(POSITIONS, 0)[:, 2] == 4).all()


def test_draws_belong_to_the_sample_and_the_step(street):
    """The same sample in another batch, at another place, draws the same; another step draws anew."""
    worker = task(street)
    first, second = worker._latents(np.array([3, 5]), 8), worker._latents(np.array([1, 2, 5, 3]), 8)
    torch.testing.assert_close(first, second[[3, 2]], rtol=0, atol=0)
    assert not torch.allclose(first, worker._latents(np.array([3, 5]), 9))


def test_both_mirror_images_are_drawn_and_the_posterior_is_sampled(street):
    worker = task(street)
    scaled = [worker._latents(POSITIONS, step) for step in range(300)]
    mean = torch.from_numpy(worker.latents.mean).float() * worker.latents.scaling_factor
    residuals = torch.stack([torch.stack([x - mean[:, 0], x - mean[:, 1]]) for x in scaled])
    closest = residuals.square().flatten(3).mean(3).argmin(1)
    assert closest.float().mean() == pytest.approx(0.5, abs=0.03)
    residual = torch.take_along_dim(residuals, closest[:, None, :, None, None, None], 1)
    assert residual.std() == pytest.approx(0.5 * np.exp(-1.5), rel=0.01)
    assert residual.mean() == pytest.approx(0, abs=2e-3)


def test_timesteps_cover_the_schedule_evenly(street, monkeypatch):
    seen = []
    monkeypatch.setattr(
        train,
        "noise_prediction_errors",
        lambda unet, x, noise, steps, *rest: seen.append(steps) or torch.zeros(len(x), 2),
    )
    worker = task(street)
    for step in range(600):
        worker.loss(POSITIONS, step)
    drawn = torch.cat(seen)
    assert 0 <= drawn.min() < 3 and 996 < drawn.max() < 1000
    counts = torch.histc(drawn.float(), 10, 0, 1000)
    assert (counts / len(drawn) - 0.1).abs().max() < 0.02


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        ({"loss": "base"}, {"d_p"}),
        ({"loss": "codit"}, {"d_p", "d_n"}),
        ({"loss": "fmdit"}, {"d_p", "d_n", "active_fraction"}),
        ({"loss": "amdit"}, {"d_p", "d_n", "active_fraction"}),
        ({"loss": "amdit", "non_negative_prompt": "null"}, {"d_p", "d_n", "d_nn", "active_fraction"}),
    ],
)
def test_losses_of_the_task_follow_their_equations(street, changes, reported):
    loss, numbers = task(street, **changes).loss(POSITIONS, 0)
    assert set(numbers) == reported and loss.requires_grad
    if changes["loss"] == "base":
        assert loss.item() == pytest.approx(numbers["d_p"].item())
    if changes["loss"] == "codit":
        assert loss.item() == pytest.approx((numbers["d_p"] - 0.005 * numbers["d_n"]).item(), rel=1e-5)
    if "active_fraction" in numbers:
        assert 0 < numbers["active_fraction"] <= 1


def test_only_the_adapter_trains_and_it_learns_its_classes(street, tmp_path):
    """Margin training on one batch lowers d_p below d_n."""
    worker = task(street, lora_rank=8, lora_alpha=8)
    parameters = worker.parameter_groups()[0]["params"]
    assert len(parameters) == sum(w.requires_grad for w in worker.unet.parameters()) > 0
    assert len(parameters) < len(list(worker.unet.parameters())) / 2
    optimizer = torch.optim.AdamW(parameters, lr=1e-2)
    gaps = []
    for _ in range(60):
        loss, numbers = worker.loss(POSITIONS, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        gaps.append((numbers["d_n"] - numbers["d_p"]).item())
    assert gaps[-1] > 0.01 and gaps[-1] > 5 * abs(gaps[0])


def test_a_run_leaves_adapter_progress_and_manifest(street, tmp_path):
    spec = train_spec()
    train_emodc(spec, **street, folder=tmp_path / "run", checkpoints=tmp_path / "checkpoints")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    adapter = tmp_path / "run" / "adapter.safetensors"
    assert manifest["status"] == "trained" and manifest["spec"] == json.loads(spec.canonical())
    assert manifest["outputs"] == {"adapter.safetensors": sha256_of(adapter)}
    assert set(manifest["inputs"]) == {str(p) for p in street.values() if p.is_file()} | {
        str(street["backbone"] / "unet" / name)
        for name in ("config.json", "diffusion_pytorch_model.safetensors")
    }
    assert read_metadata(adapter)["rank"] == 2
    last = json.loads((tmp_path / "run" / "progress.jsonl").read_text().splitlines()[-1])
    assert last["step"] == 6 and {"loss", "d_p", "d_n", "active_fraction"} <= set(last)
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_a_diverging_run_is_a_result_with_its_reason(street, tmp_path):
    """CoDiT with a large λ1 is unbounded below (Section III-B1)."""
    changes = {"lambda_1": 1.5, "lr": 0.3, "lora_targets": ("to_q", "conv_out"), "checkpoint_every": 100}
    spec = train_spec(loss="codit", steps=200, **changes)
    train_emodc(spec, **street, folder=tmp_path / "run", checkpoints=tmp_path / "checkpoints")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["status"] == "failed" and "diverged at step" in manifest["reason"]
    assert not (tmp_path / "run" / "adapter.safetensors").exists()


def test_text_of_other_classes_is_refused(street, tmp_path):
    from facetory.pipeline.files import write_tensors

    other = tmp_path / "text.safetensors"
    write_tensors(other, {"tokens": np.zeros((5, 5, 12), np.float32)}, {"classes": CLASSES[::-1]})
    with pytest.raises(FacetoryError, match="the latents' classes are happiness, sadness, anger"):
        train_emodc(
            train_spec(), **(street | {"text": other}), folder=tmp_path / "run", checkpoints=tmp_path / "c"
        )
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_a_changed_input_does_not_resume_from_old_checkpoints(street, tmp_path):
    spec, places = train_spec(steps=2), {"folder": tmp_path / "run", "checkpoints": tmp_path / "checkpoints"}
    train_emodc(spec, **street, **places)
    adapter = tmp_path / "run" / "adapter.safetensors"
    before = load_file(adapter)
    (tmp_path / "other").mkdir()
    train_emodc(spec, **build(tmp_path / "other", samples=9), **places)
    after = load_file(adapter)
    assert any(not np.array_equal(after[name], before[name]) for name in before)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


def start(stage: str, street: dict[str, Path], folder: Path, slow: float) -> subprocess.Popen:
    paths = json.dumps({key: str(path) for key, path in street.items()})
    return subprocess.Popen([sys.executable, emodc_street.__file__, stage, str(folder), str(slow), paths])


def kill_when(process: subprocess.Popen, ready, seconds: float = 60) -> None:
    """SIGKILL a process as soon as ``ready()`` holds; fail if it ends or takes too long."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_a_run_killed_at_any_step_ends_bit_equal(street, tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    victim = start("train", street, killed, slow=0.3)
    kill_when(victim, lambda: len(list(killed.glob("checkpoints/*/step-*[3-9].safetensors"))) > 0)
    assert not (killed / "run" / "adapter.safetensors").exists()
    spec = train_spec(steps=12)
    for folder in (killed, whole):
        train_emodc(spec, **street, folder=folder / "run", checkpoints=folder / "checkpoints")
    manifest = json.loads((killed / "run" / "manifest.json").read_text())
    assert 0 < manifest["training"]["resumed_from"] < 12
    first, second = (load_file(folder / "run" / "adapter.safetensors") for folder in (killed, whole))
    assert first.keys() == second.keys()
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)
