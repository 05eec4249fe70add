"""Drawing faces from noise: DDPM on data whose best prediction is known, and the stage's files."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from drawn import face
from facetory.diffusion.schedule import alphas_cumprod
from facetory.diffusion.unconditional import new_unconditional, save_unconditional
from facetory.pipeline.files import read_json, read_metadata, sha256_of, write_json
from facetory.smc.realism import realism
from facetory.smc.sample import SamplesDiverged, draw, sample_smc
from facetory.smc.spec import SampleSpec, SMCTrainSpec
from safetensors.numpy import load_file
from smc_edit_street import PX, backbone


def spec(**changes):
    train = SMCTrainSpec(dataset="drawn", backbone="tiny", px=PX, architecture="demo-faces", steps=1)
    return SampleSpec(**({"train": train, "images": 5, "inference_steps": 10, "batch_rows": 4} | changes))


class Gaussian(torch.nn.Module):
    """E[ε | x_t] where x_0 is normal with this mean and standard deviation in every number."""

    config, device = SimpleNamespace(in_channels=3), torch.device("cpu")

    def __init__(self, mean, std):
        super().__init__()
        self.mean, self.std, self.alpha_bar = mean, std, alphas_cumprod(1000, 1e-4, 0.02)

    def forward(self, x, timestep):
        a = self.alpha_bar[timestep][:, None, None, None]
        return SimpleNamespace(sample=(1 - a).sqrt() * (x - a.sqrt() * self.mean) / (a * self.std**2 + 1 - a))


class Plain:
    """An autoencoder that decodes latents (3, 16, 16) to themselves times its scaling factor."""

    config = SimpleNamespace(block_out_channels=(1,), scaling_factor=0.5)

    def decode(self, z):
        return SimpleNamespace(sample=z * self.config.scaling_factor)


@pytest.mark.parametrize("std", [0.0, 0.2])
def test_samples_have_the_datas_mean_and_variance(std):
    """250 steps of exact ancestral sampling; pixels are (x + 1) 127.5."""
    images = draw(spec(images=32, inference_steps=250, batch_rows=32), Gaussian(0.3, std), Plain())
    values = images.astype(float) / 127.5 - 1
    assert values.mean() == pytest.approx(0.3, abs=0.01)
    assert values.std() == pytest.approx(std, abs=0.01)
    assert images.shape == (32, 3, PX, PX)


def test_an_image_is_its_seeds_and_numbers_whatever_else_is_drawn():
    unet, vae = new_unconditional("demo-faces", 3).eval(), Plain()
    five, three = (draw(spec(images=n, inference_steps=4), unet, vae) for n in (5, 3))
    assert np.array_equal(five[:3], three)
    assert len(np.unique(five.reshape(5, -1), axis=0)) == 5
    assert not np.array_equal(draw(spec(images=3, inference_steps=4, seed=1), unet, vae), three)


def test_a_model_that_blew_up_is_told():
    with pytest.raises(SamplesDiverged, match="the sampled latents are not finite"):
        draw(spec(), Gaussian(float("nan"), 0.2), Plain())


@pytest.fixture
def street(tmp_path):
    torch.manual_seed(0)
    save_unconditional(new_unconditional("demo-faces"), tmp_path / "model")
    weights = "unet/diffusion_pytorch_model.safetensors"
    about = {"status": "trained", "outputs": {weights: sha256_of(tmp_path / "model" / weights)}}
    write_json(tmp_path / "model" / "manifest.json", about)
    return {"diffusion": tmp_path / "model", "backbone": backbone(tmp_path), "folder": tmp_path / "samples"}


def test_the_stage_writes_images_their_realism_and_a_manifest(street):
    sample_smc(spec(), **street)
    path = street["folder"] / "images.safetensors"
    held, about = load_file(path), read_json(street["folder"] / "manifest.json")
    assert held["images"].shape == (5, 3, PX, PX) and held["images"].dtype == np.uint8
    assert np.array_equal(held["realism"], realism(held["images"]))
    assert (about["status"], about["images"]) == ("sampled", 5)
    assert about["outputs"] == {"images.safetensors": sha256_of(path)} and len(about["inputs"]) == 1
    assert read_metadata(path)["spec"]["inference_steps"] == 10


def test_a_failed_training_is_not_sampled(street):
    sample_smc(spec(), **street)
    write_json(street["diffusion"] / "manifest.json", {"status": "failed", "reason": "training diverged"})
    sample_smc(spec(), **street)
    about = json.loads((street["folder"] / "manifest.json").read_text())
    assert about["status"] == "not_run" and about["reason"] == "its training failed: training diverged"
    assert not (street["folder"] / "images.safetensors").exists()


def test_samples_that_diverged_are_a_result(street):
    unet = new_unconditional("demo-faces")
    with torch.no_grad():
        unet.conv_in.bias.fill_(float("inf"))
    save_unconditional(unet, street["diffusion"])
    sample_smc(spec(inference_steps=2), **street)
    about = read_json(street["folder"] / "manifest.json")
    assert about["status"] == "failed" and "not finite. Train the model longer" in about["reason"]
    assert not (street["folder"] / "images.safetensors").exists()


def test_realism_is_the_detectors_probability():
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    images = np.stack([face(96), noise]).transpose(0, 3, 1, 2)
    seen, none = realism(images)
    assert 0.95 < seen <= 1 and none == 0
