"""One real training step through a UNet of Stable Diffusion 2.1's size, with random weights, on the CPU."""

import csv

import numpy as np
import pytest
import torch
from facetory.diffusion import encode, lora, place, snapshot
from facetory.diffusion.architecture import new_unet, new_vae
from facetory.diffusion.catalogue import backbone
from facetory.pipeline.files import open_tensors, read_json, read_metadata, sha256_of, write_json
from facetory.rehearsal.random_weights import fill
from PIL import Image


def test_the_autoencoder_is_stable_diffusions():
    with torch.device("meta"):
        vae = new_vae("sd21")
        latents = vae.encode(torch.zeros(1, 3, 256, 256)).latent_dist.mean
    assert sum(weight.numel() for weight in vae.parameters()) == 83_653_863
    assert latents.shape == (1, 4, 32, 32) and vae.config.scaling_factor == 0.18215


@pytest.mark.slow
def test_one_step_at_full_size():
    """Forward and backward in bfloat16 on 32² latents: every adapter, and nothing else, gets a gradient."""
    with torch.device("meta"):
        unet = new_unet("sd21").bfloat16()
    unet.to_empty(device="cpu")
    fill(unet)
    trainable = lora.inject(unet, rank=16, alpha=16)
    for weight in trainable.values():
        weight.data = weight.data.bfloat16()
    latents, noise = torch.randn(2, 1, 4, 32, 32, dtype=torch.bfloat16)
    tokens = torch.randn(1, 77, 1024, dtype=torch.bfloat16)
    optimizer = torch.optim.AdamW(trainable.values(), lr=1e-3)
    before = {name: weight.detach().clone() for name, weight in trainable.items()}
    loss = (unet(latents, torch.tensor([400]), tokens).sample - noise).float().square().mean()
    loss.backward()
    assert torch.isfinite(loss)
    assert all(weight.grad is None for weight in unet.parameters() if not weight.requires_grad)
    moved = {name for name, weight in trainable.items() if bool(weight.grad.any())}
    assert moved == {name for name in trainable if "lora_B" in name}  # A's gradient is zero while B is
    optimizer.step()
    assert {n for n, w in trainable.items() if "lora_B" in n and not torch.equal(w, before[n])} == moved


@pytest.mark.slow
def test_latents_through_the_papers_autoencoder(tmp_path):
    """A face of 256² through a VAE of sd-vae-ft-ema's size and layout, whose configuration has no factor."""
    folder = tmp_path / "weights" / "sd-vae-ft-ema"
    folder.parent.mkdir()
    with torch.device("meta"):
        vae = new_vae("sd21")
    vae.to_empty(device="cpu")
    fill(vae)
    snapshot.save(vae, folder)
    config = read_json(folder / "config.json")
    del config["scaling_factor"]
    write_json(folder / "config.json", config)
    place.place(backbone("sd-vae-ft-ema"), tmp_path, tmp_path / "backbone.json")
    assert read_json(tmp_path / "backbone.json")["parameters"] == {"vae": 83_653_863}

    (tmp_path / "images").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "images" / "a.png")
    row = {"sample_id": "a", "split": "train", "label": "fear", "person": ""}
    row["sha256"] = sha256_of(tmp_path / "images" / "a.png")
    with (tmp_path / "ledger.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([row.keys(), row.values()])
    output = tmp_path / "train.safetensors"
    encode.encode(tmp_path / "ledger.csv", tmp_path / "backbone.json", "train", 256, {"clean": output})
    about = read_metadata(output)
    assert (about["scaling_factor"], about["encoder"]) == (0.18215, "sd-vae-ft-ema")
    with open_tensors(output) as latents:
        assert latents.get_tensor("mean").shape == (1, 2, 4, 32, 32)
