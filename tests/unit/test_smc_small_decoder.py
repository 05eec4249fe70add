"""The small decoder learns what the autoencoder decodes, resumes, and says where it cannot."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import smc_edit_street as street
import torch
from facetory.diffusion.backbone import load_vae
from facetory.diffusion.latents import posterior
from facetory.diffusion.pixels import psnr, to_unit
from facetory.diffusion.small_decoder import load_small_decoder, small_decoder
from facetory.faces.views import faces_of
from facetory.pipeline.files import FacetoryError, read_json, sha256_of
from facetory.smc.small_decoder import Distillation, train_small_decoder


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("world")
    manifest = street.backbone(folder)
    return {"latents": street.latents(folder, manifest), "backbone": manifest}


def vae_of(world):
    return load_vae(read_json(world["backbone"])["folder"])


def test_each_width_but_the_first_doubles_the_side():
    assert small_decoder(5, (8, 6, 4))(torch.zeros(2, 5, 3, 3)).shape == (2, 3, 12, 12)
    assert small_decoder(4, (8,))(torch.zeros(1, 4, 7, 7)).shape == (1, 3, 7, 7)


def test_it_learns_to_decode_as_the_autoencoder_does(world, tmp_path):
    train_small_decoder(
        street.decoder_spec(steps=200), **world, folder=tmp_path / "a", checkpoints=tmp_path / "b"
    )
    record, vae = read_json(tmp_path / "a" / "manifest.json"), vae_of(world)
    assert record["status"] == "trained" and record["training"]["steps"] == 200 and record["held_out"] == 2
    assert record["outputs"]["weights.safetensors"] == sha256_of(tmp_path / "a" / "weights.safetensors")

    decoder = load_small_decoder(tmp_path / "a")
    assert not any(weight.requires_grad for weight in decoder.parameters())
    pixels = torch.from_numpy(faces_of(street.faces(tmp_path / "new", 6), "test", street.PX).pixels)
    with torch.no_grad():
        mean = posterior(vae, to_unit(pixels))[0]
        found, taught = decoder(mean * street.FACTOR), vae.decode(mean).sample
        untrained = Distillation(street.decoder_spec(), world["latents"], vae).decoder(mean * street.FACTOR)
    assert psnr(found, taught).min() > psnr(untrained, taught).max() + 6
    assert record["psnr"] == pytest.approx(float(psnr(found, taught).mean()), abs=6)


def test_the_last_faces_are_held_out_and_draws_belong_to_sample_and_step(world):
    task = Distillation(street.decoder_spec(), world["latents"], vae_of(world))
    assert task.size == 38 and task.held_out.tolist() == [38, 39]
    first, second = task._draw(torch.tensor([3, 5]), 8), task._draw(torch.tensor([1, 5, 3]), 8)
    torch.testing.assert_close(first, second[[2, 1]], rtol=0, atol=0)
    assert not torch.allclose(first, task._draw(torch.tensor([3, 5]), 9))


def test_the_loss_is_that_of_the_difference_to_the_teacher(world):
    """A decoder that is the teacher has none; one that is off by a constant has it in L1 alone."""
    task = Distillation(street.decoder_spec(), world["latents"], vae_of(world))
    task.decoder = task.teach
    assert task.loss(np.arange(4), 0)[0] == 0
    task.decoder = lambda latents: task.teach(latents) + 0.25
    loss, numbers = task.loss(np.arange(4), 0)
    assert loss == pytest.approx(0.25, rel=1e-4) and numbers["laplacian"] == pytest.approx(0, abs=1e-5)


def test_widths_that_do_not_fit_the_autoencoder_are_named(world, tmp_path):
    with pytest.raises(FacetoryError, match=r"widths \[8, 8, 8\] are 3, but tiny doubles the side 1 times"):
        train_small_decoder(street.decoder_spec(widths=(8, 8, 8)), **world, folder=tmp_path, checkpoints="x")


def test_a_run_that_diverges_says_so(world, tmp_path):
    spec = street.decoder_spec(lr=1e6, steps=60)
    train_small_decoder(spec, **world, folder=tmp_path / "a", checkpoints=tmp_path / "b")
    record = read_json(tmp_path / "a" / "manifest.json")
    assert record["status"] == "failed" and "diverged at step" in record["reason"]
    assert not (tmp_path / "a" / "weights.safetensors").exists()


def test_killed_and_started_again_it_ends_with_the_same_weights(world, tmp_path):
    train_small_decoder(
        street.decoder_spec(steps=12), **world, folder=tmp_path / "whole", checkpoints=tmp_path / "c"
    )
    folder = world["backbone"].parent
    command = [sys.executable, Path(street.__file__), "decoder", folder]
    running = subprocess.Popen([*command, "0.3"], stderr=subprocess.DEVNULL)
    while not list((folder / "checkpoints").rglob("step-*2.safetensors")):
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (folder / "killed" / "weights.safetensors").exists()
    subprocess.run([*command, "0"], check=True, stderr=subprocess.DEVNULL)
    assert 0 < read_json(folder / "killed" / "manifest.json")["training"]["resumed_from"] < 12
    digests = [sha256_of(path / "weights.safetensors") for path in (folder / "killed", tmp_path / "whole")]
    assert digests[0] == digests[1]
