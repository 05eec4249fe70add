"""Reconstruction records: of every face its error through the released autoencoder, and what it shows."""

import csv

import numpy as np
import pytest
import torch
from facetory.diffusion import place
from facetory.diffusion.backbone import placed_vae
from facetory.diffusion.catalogue import backbone
from facetory.pipeline.files import FacetoryError, open_tensors, read_json, read_metadata, sha256_of
from facetory.recognition import features
from facetory.smc.reconstruct import known_attributes, reconstruct_smc, reconstructed
from facetory.smc.spec import ReconstructionSpec
from PIL import Image

CAPTIONS = {
    "s0": "A photo of a young bearded man. A photo of a still face.",
    "s1": "A photo of a young woman. A photo of a facial expression with wide eyes, an open mouth.",
    "s2": "A photo of an older man. A photo of a still face. A photo, wearing dark glasses.",
    "s3": "A photo of an older man. A photo of a still face.",
}


class Levels:
    """A perceptual network that sees no more than the mean difference of levels."""

    def distance(self, a, b):
        return np.abs(a.astype(np.float32) - b.astype(np.float32)).mean((1, 2, 3))


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """Smooth pictures with noise that grows from one to the next, and the released small autoencoder."""
    root = tmp_path_factory.mktemp("reconstruct")
    folder = root / "faces" / "toy"
    (folder / "images").mkdir(parents=True)
    columns = ("sample_id", "split", "label", "person", "sha256", "caption")
    rows = []
    for k, (name, caption) in enumerate(CAPTIONS.items()):
        random = np.random.default_rng(0)
        smooth = np.linspace(90, 160, 64)[:, None, None] + np.zeros((64, 64, 3))
        noisy = smooth + 20 * k * random.normal(size=(64, 64, 3))
        path = folder / "images" / f"{name}.png"
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path)
        rows.append((name, "test", "", f"p{k}", sha256_of(path), caption))
    with (folder / "ledger.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([columns, *rows])
    place.place(backbone("demo"), root, root / "backbone.json")
    return root


@pytest.fixture(autouse=True)
def levels(monkeypatch):
    monkeypatch.setattr(features, "feature_network", lambda name, device, data_root: Levels())


def records(street, folder, ledger="ledger.csv", **asked):
    asked = {"backbone": "demo", "dataset": "toy", "split": "test", "px": 64} | asked
    spec = ReconstructionSpec(**asked, features="efficientnet_lite0")
    reconstruct_smc(spec, street / "faces" / "toy" / ledger, street / "backbone.json", folder)
    path = folder / "records.safetensors"
    assert read_json(folder / "manifest.json")["outputs"] == {path.name: sha256_of(path)}
    with open_tensors(path) as handle:
        return {name: handle.get_tensor(name) for name in ("psnr", "distance", "attributes")}, read_metadata(
            path
        )


def test_the_records_are_the_contract(street, tmp_path):
    arrays, about = records(street, tmp_path)
    assert about["sample_ids"] == list(CAPTIONS) and about["persons"] == ["p0", "p1", "p2", "p3"]
    assert (about["spec"]["backbone"], about["spec"]["px"]) == ("demo", 64)
    assert about["attributes"] == ["open mouth", "beard", "glasses"]
    expected = [[False, True, False], [True, False, False], [False, False, True], [False, False, False]]
    np.testing.assert_array_equal(arrays["attributes"], expected)
    assert arrays["attributes"].dtype == bool and arrays["psnr"].dtype == np.float32
    assert read_json(tmp_path / "manifest.json")["status"] == "reconstructed"


def test_each_error_is_the_pictures_own(street, tmp_path):
    """By hand from the autoencoder's output: 10 log10 (255² / mean squared error) of 8-bit pixels."""
    arrays, _ = records(street, tmp_path)
    vae = placed_vae(street / "backbone.json")
    for k, name in enumerate(CAPTIONS):
        with Image.open(street / "faces" / "toy" / "images" / f"{name}.png") as image:
            source = np.asarray(image).transpose(2, 0, 1)[None].astype(np.float64)
        with torch.no_grad():
            mean = vae.encode(torch.from_numpy(source).float() / 127.5 - 1).latent_dist.mean
            decoded = vae.decode(mean).sample.double().numpy()
        after = np.rint((decoded.clip(-1, 1) + 1) * 127.5)
        assert arrays["psnr"][k] == pytest.approx(
            10 * np.log10(255**2 / ((after - source) ** 2).mean()), abs=0.05
        )
        assert arrays["distance"][k] == pytest.approx(np.abs(after - source).mean(), rel=0.02)
    assert (np.diff(arrays["psnr"]) < -1).all(), "noise does not come through the autoencoder"


def test_a_part_of_the_faces_has_the_same_errors(street, tmp_path):
    whole, about = records(street, tmp_path / "whole")
    part, of_part = records(street, tmp_path / "part", images=2)
    assert len(of_part["sample_ids"]) == 2
    places = [about["sample_ids"].index(name) for name in of_part["sample_ids"]]
    for name, values in part.items():
        np.testing.assert_array_equal(values, whole[name][places])


def test_a_face_comes_through_the_same_beside_any_others(street):
    vae = placed_vae(street / "backbone.json")
    images = torch.randint(0, 256, (19, 3, 64, 64), generator=torch.Generator().manual_seed(0)).byte()
    assert torch.equal(reconstructed(vae, images)[17:], reconstructed(vae, images[17:]))


def test_attributes_that_no_caption_tells_are_left_out(street, tmp_path):
    assert known_attributes(["", *CAPTIONS.values()])[0] == []
    with (street / "faces" / "toy" / "ledger.csv").open(newline="") as handle:
        rows = [row[:-1] for row in csv.reader(handle)]
    with (street / "faces" / "toy" / "silent.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows(rows)
    arrays, about = records(street, tmp_path, "silent.csv")
    assert about["attributes"] == [] and arrays["attributes"].shape == (4, 0)


def test_a_split_without_faces_is_named(street, tmp_path):
    with pytest.raises(FacetoryError, match="no face is in split 'train'"):
        records(street, tmp_path, split="train")
    assert not (tmp_path / "manifest.json").exists()
