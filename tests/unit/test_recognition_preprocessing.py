"""Networks are fed what their authors feed them."""

import numpy as np
import pytest
import torch
from facetory.pipeline.files import FacetoryError
from facetory.recognition.preprocessing import PREPROCESSING, prepare
from PIL import Image

RED = np.zeros((1, 3, 8, 8), np.uint8)
RED[:, 0] = 255


@pytest.mark.parametrize(
    ("network", "px"),
    [("apvit", 112), ("poster", 224), ("posterpp", 224), ("resnet18", 224), ("vit", 224)],
)
def test_sizes_are_the_networks_own(network, px):
    faces = prepare(RED, network)
    assert faces.shape == (1, 3, px, px) and faces.dtype == torch.float32
    assert prepare(RED, network, px=64).shape == (1, 3, 64, 64)


def test_poster_sees_bgr_under_the_statistics_of_rgb():
    blue, green, red = prepare(RED, "poster", px=8)[0, :, 0, 0].tolist()
    assert blue == pytest.approx((0 - 0.485) / 0.229)
    assert green == pytest.approx((0 - 0.456) / 0.224)
    assert red == pytest.approx((1 - 0.406) / 0.225)


@pytest.mark.parametrize("network", sorted(set(PREPROCESSING) - {"poster", "vit"}))
def test_the_others_see_rgb(network):
    red, green, blue = prepare(RED, network, px=8)[0, :, 0, 0].tolist()
    assert red == pytest.approx((1 - 0.485) / 0.229)
    assert green == pytest.approx((0 - 0.456) / 0.224)
    assert blue == pytest.approx((0 - 0.406) / 0.225)


def test_the_vision_transformer_sees_rgb_on_minus_one_to_one():
    assert prepare(RED, "vit", px=8)[0, :, 0, 0].tolist() == [1, -1, -1]


@pytest.mark.parametrize(("side", "px"), [(100, 224), (512, 112)])
def test_faces_are_resized_as_pil_does(side, px):
    face = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    expected = np.asarray(Image.fromarray(face).resize((px, px), Image.Resampling.BILINEAR))
    prepared = prepare(face.transpose(2, 0, 1)[None], "posterpp", px=px)[0]
    fixed = PREPROCESSING["posterpp"]
    mean, std = torch.tensor(fixed.mean)[:, None, None], torch.tensor(fixed.std)[:, None, None]
    levels = (prepared * std + mean) * 255
    assert np.abs(levels.numpy() - expected.transpose(2, 0, 1)).max() < 1.01  # PIL rounds between its passes


def test_tensors_and_arrays_are_alike():
    assert torch.equal(prepare(RED, "poster"), prepare(torch.from_numpy(RED), "poster"))


@pytest.mark.parametrize("network", sorted(PREPROCESSING))
def test_gradients_pass_where_levels_are_floating_point(network):
    faces = (255 * torch.rand(2, 3, 20, 20)).requires_grad_()
    found = prepare(faces, network, px=12)
    found.sum().backward()
    fixed = PREPROCESSING[network]
    deviations = torch.tensor([fixed.std[fixed.order.index(channel)] for channel in "RGB"])
    per_channel = faces.grad.sum((0, 2, 3)) * deviations * 255 / (2 * 12 * 12)
    torch.testing.assert_close(per_channel, torch.ones(3))
    whole = prepare(faces.detach().round().to(torch.uint8), network, px=12)
    exact = prepare(faces.detach().round(), network, px=12)
    assert 0 < (whole - exact).abs().max() <= 0.5 / 255 / min(fixed.std) + 1e-6


def test_an_unknown_network_is_named():
    with pytest.raises(FacetoryError, match=r"unknown network 'postr'.*Did you mean 'poster'"):
        prepare(RED, "postr")
