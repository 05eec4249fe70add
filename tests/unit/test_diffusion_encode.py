"""Cached latents: flips, resizing, corruptions, metadata, hashes, broken faces."""

import csv

import numpy as np
import pytest
import torch
from facetory.diffusion import encode, latents, snapshot
from facetory.diffusion.architecture import new_vae
from facetory.emodc.inputs import read_latents
from facetory.faces.corrupt import corrupt
from facetory.pipeline.files import FacetoryError, open_tensors, read_metadata, sha256_of, write_json
from facetory.pipeline.sampling import balanced
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


def both(street, names, split="train", **settings):
    """A call for several corruptions; returns their files."""
    outputs = {name: street / f"{name}.safetensors" for name in names}
    ledger = settings.pop("ledger", street / "faces" / "toy" / "ledger.csv")
    encode.encode(ledger, street / "manifest.json", split, 64, outputs, **settings)
    return outputs


def tensors_of(path):
    with open_tensors(path) as handle:
        return {name: handle.get_tensor(name) for name in ("mean", "logvar", "labels")}


def test_several_corruptions_at_once_are_each_alone(street, tmp_path):
    several = both(street, ("blur2", "clean", "noise30"), noise_seed=3, batch_size=3, threads=2)
    for name, path in several.items():
        alone = tmp_path / f"{name}.safetensors"
        ledger = street / "faces" / "toy" / "ledger.csv"
        encode.encode(
            ledger, street / "manifest.json", "train", 64, {name: alone}, noise_seed=3, batch_size=3
        )
        assert path.read_bytes() == alone.read_bytes()


def test_a_corrupted_face_is_corrupted_at_its_own_resolution_and_has_no_mirror_image(street):
    from facetory.diffusion.backbone import load_vae

    path = both(street, ["noise50"], noise_seed=7)["noise50"]
    mean, about = tensors_of(path)["mean"], read_metadata(path)
    assert mean.shape == (4, 1, 8, 8, 8)
    assert about["corruption"] == "noise50" and about["order"] == "align_then_corrupt"
    assert (about["corruption_px"], about["noise_seed"], about["images_per_class"]) == (96, 7, None)
    with Image.open(street / "faces" / "toy" / "images" / "s2.png") as image:
        noisy = Image.fromarray(corrupt(np.asarray(image), "noise50", "s2", 7))
    pixels = np.asarray(noisy.resize((64, 64), Image.Resampling.LANCZOS))
    with torch.no_grad():
        images = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None].float() / 127.5 - 1
        expected = load_vae(street / "backbone").encode(images).latent_dist.mean.numpy()
    np.testing.assert_allclose(mean[2:3, 0].astype(np.float32), expected, rtol=1e-3, atol=1e-3)
    clean = tensors_of(both(street, ["clean"])["clean"])["mean"]
    assert np.abs(clean[2:3, 0] - expected).max() > 0.01


def test_training_refuses_latents_without_mirror_images(street):
    paths = both(street, ("clean", "blur5"))
    assert read_latents(paths["clean"], training=True).mean.shape[1] == 2
    assert read_latents(paths["blur5"]).mean.shape[1] == 1
    with pytest.raises(FacetoryError, match=r"blur5\.safetensors: holds no mirror images"):
        read_latents(paths["blur5"], training=True)


def test_a_part_of_each_class_is_the_balanced_one(street):
    paths = both(street, ("clean", "noise10"), images_per_class=1)
    labels = [3, 5, 0, 3]
    kept = balanced(np.array(labels), ["s0", "s1", "s2", "s3"], 1)
    for path in paths.values():
        about = read_metadata(path)
        assert about["sample_ids"] == [f"s{i}" for i in kept] and about["images_per_class"] == 1
        assert tensors_of(path)["labels"].tolist() == [labels[i] for i in kept]


def test_faces_corrupted_before_alignment_are_not_corrupted_again(street, tmp_path):
    folder = street / "faces" / "toy"
    with (folder / "ledger.csv").open(newline="") as handle:
        columns, *rows = csv.reader(handle)
    ledger = folder / "noisy.csv"
    with ledger.open("w", newline="") as handle:
        marked = [[*row, "noise20", "9"] for row in rows]
        csv.writer(handle).writerows([[*columns, "corruption", "noise_seed"], *marked])
    path = both(street, ["noise20"], ledger=ledger)["noise20"]
    about = read_metadata(path)
    assert about["order"] == "corrupt_then_align" and about["noise_seed"] == 9
    as_they_are = tensors_of(both(street, ["clean"])["clean"])["mean"][:, :1]
    np.testing.assert_array_equal(tensors_of(path)["mean"], as_they_are)
    for other in ("clean", "noise30"):
        with pytest.raises(FacetoryError, match=f"went through noise20 .* so they are not {other}"):
            both(street, [other], ledger=ledger)


def test_an_unknown_corruption_is_named_before_anything_is_read(street):
    with pytest.raises(FacetoryError, match=r"unknown corruption 'blurr5'.*Did you mean 'blur5'"):
        both(street, ["blurr5"])


def test_the_command_encodes_several_corruptions(street):
    from facetory.cli.latents import app
    from typer.testing import CliRunner

    ledger = street / "faces" / "toy" / "ledger.csv"
    words = ["--faces", ledger, "--backbone", street / "manifest.json", "--split", "test", "--px", 64]
    words = [*map(str, words), "--corruption", "noise10", "--corruption", "blur2", "--output"]
    result = CliRunner().invoke(app, [*words, str(street / "{corruption}" / "test.safetensors")])
    assert result.exit_code == 0, result.output
    for name in ("noise10", "blur2"):
        assert read_metadata(street / name / "test.safetensors")["corruption"] == name
    result = CliRunner().invoke(app, [*words, str(street / "one.safetensors")])
    assert "several corruptions would be written to one file" in str(result.exception)
