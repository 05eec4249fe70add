"""Cached latents: flips, resizing, metadata, hashes, broken faces."""

import csv

import numpy as np
import pytest
import torch
from facetory.diffusion import encode, latents, snapshot
from facetory.diffusion.architecture import new_vae
from facetory.pipeline.files import FacetoryError, open_tensors, read_metadata, sha256_of, write_json
from PIL import Image

COLUMNS = ("sample_id", "split", "label", "person", "caption", "status", "sha256")
LABELS = ("happiness", "anger", "surprise")


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """Five aligned faces with their ledger, and the manifest of a small random backbone."""
    root = tmp_path_factory.mktemp("street")
    folder = root / "faces" / "toy"
    (folder / "images").mkdir(parents=True)
    rows = []
    for index in range(5):
        pixels = np.random.default_rng(index).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        path = folder / "images" / f"s{index}.png"
        Image.fromarray(pixels).resize((96, 96), Image.Resampling.BICUBIC).save(path)
        split = "test" if index == 4 else "train"
        person = f"p{index // 2}"
        rows.append((f"s{index}", split, LABELS[index % 3], person, "", "aligned", sha256_of(path)))
    with (folder / "ledger.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([COLUMNS, *rows])
    torch.manual_seed(0)
    vae = new_vae("demo")
    vae.register_to_config(scaling_factor=0.7)
    snapshot.save(vae, root / "backbone" / "vae")
    write_json(root / "manifest.json", {"folder": str(root / "backbone"), "spec": {"name": "toy-vae"}})
    return root


def encoded(street, name="latents.safetensors", **settings):
    settings = {"split": "train", "px": 64} | settings
    ledger = street / "faces" / "toy" / "ledger.csv"
    encode.encode(ledger, street / "manifest.json", outputs={"clean": street / name}, **settings)
    with open_tensors(street / name, "pt") as handle:
        return {key: handle.get_tensor(key) for key in handle.keys()}  # noqa: SIM118


def test_the_file_is_the_contract(street):
    tensors, about = encoded(street), read_metadata(street / "latents.safetensors")
    assert tensors["mean"].shape == tensors["logvar"].shape == (4, 2, 8, 8, 8)
    assert tensors["mean"].dtype == torch.float16 and tensors["labels"].tolist() == [3, 5, 0, 3]
    assert about["sample_ids"] == ["s0", "s1", "s2", "s3"] and about["persons"] == ["p0", "p0", "p1", "p1"]
    assert about["classes"][:2] == ["surprise", "fear"] and len(about["classes"]) == 7
    assert (about["scaling_factor"], about["px"], about["corruption"]) == (0.7, 64, "clean")
    assert (about["encoder"], about["dataset"]) == ("toy-vae", "toy")


def test_a_flipped_face_is_not_a_flipped_latent(street):
    mean = encoded(street)["mean"].float()
    assert (mean[:, 1] - mean[:, 0].flip(-1)).abs().mean() > 0.01 * mean.abs().mean()


def test_each_flip_is_the_encoders_own(street):
    from facetory.diffusion.backbone import load_vae

    tensors = encoded(street)
    vae = load_vae(street / "backbone")
    with Image.open(street / "faces" / "toy" / "images" / "s2.png") as image:
        pixels = np.asarray(image.resize((64, 64), Image.Resampling.LANCZOS))
    for axis, side in enumerate((pixels, pixels[:, ::-1])):
        images = torch.from_numpy(side.transpose(2, 0, 1).copy())[None].float() / 127.5 - 1
        with torch.no_grad():
            moments = vae.encode(images).latent_dist
        torch.testing.assert_close(tensors["mean"][2:3, axis].float(), moments.mean, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(tensors["logvar"][2:3, axis].float(), moments.logvar, rtol=1e-3, atol=1e-3)


def test_batches_change_nothing(street):
    one, all_at_once = encoded(street, batch_size=1), encoded(street, batch_size=4)
    torch.testing.assert_close(one["mean"], all_at_once["mean"], rtol=2e-3, atol=2e-3)


def test_a_split_without_faces_is_named(street):
    with pytest.raises(FacetoryError, match="no face is in split 'validation'"):
        encoded(street, split="validation")


def test_a_truncated_face_is_named(street):
    path = street / "faces" / "toy" / "images" / "s4.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    try:
        with pytest.raises(FacetoryError, match=r"s4\.png: the file is truncated or changed"):
            encoded(street, "none.safetensors", split="test")
        path.unlink()
        with pytest.raises(FacetoryError, match=r"s4\.png: the aligned face is missing"):
            encoded(street, "none.safetensors", split="test")
    finally:
        path.write_bytes(whole)
    assert not (street / "none.safetensors").exists()


def test_posterior_draws_by_hand():
    mean, logvar, noise = torch.tensor([2.0]), torch.tensor([2 * np.log(3.0)]), torch.tensor([0.5])
    assert latents.sample_posterior(mean, logvar, noise, 0.1).item() == pytest.approx((2 + 3 * 0.5) * 0.1)


def test_the_command_encodes(street):
    from facetory.cli.latents import app
    from typer.testing import CliRunner

    ledger = street / "faces" / "toy" / "ledger.csv"
    words = ["--faces", ledger, "--backbone", street / "manifest.json", "--split", "test", "--px", 64]
    result = CliRunner().invoke(app, [*map(str, words), "--output", str(street / "test.safetensors")])
    assert result.exit_code == 0, result.output
    assert read_metadata(street / "test.safetensors")["sample_ids"] == ["s4"]
