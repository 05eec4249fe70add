"""ResNet-18 is the published one, under torchvision's names."""

import pytest
import torch
from facetory.recognition.resnet18 import Block, resnet18

BLOCK = ("conv1.weight", "bn1", "conv2.weight", "bn2")
STATISTICS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def torchvision_names():
    """The names in torchvision's resnet18-f37072fd.pth and its like."""
    names = ["conv1.weight", "bn1", "fc.weight", "fc.bias"]
    for stage in range(1, 5):
        for block in range(2):
            names += [f"layer{stage}.{block}.{name}" for name in BLOCK]
        if stage > 1:
            names += [f"layer{stage}.0.downsample.0.weight", f"layer{stage}.0.downsample.1"]
    norms = [name for name in names if not name.endswith(("weight", "bias"))]
    return {*names} - {*norms} | {f"{norm}.{part}" for norm in norms for part in STATISTICS}


def test_names_are_torchvisions():
    assert resnet18(1000).state_dict().keys() == torchvision_names()


def test_parameters_are_as_many_as_torchvision_counts():
    assert sum(weight.numel() for weight in resnet18(1000).parameters()) == 11_689_512


@pytest.mark.parametrize(("side", "last"), [(224, 7), (112, 4), (64, 2)])
def test_maps_shrink_as_published(side, last):
    network, maps = resnet18(7), []
    network.layer4.register_forward_hook(lambda module, given, x: maps.append(x))
    assert network(torch.zeros(2, 3, side, side)).shape == (2, 7)
    assert maps[0].shape == (2, 512, last, last)


def test_a_block_adds_its_input():
    """With a last scale of zero, what comes out is the rectified input."""
    block, x = Block(4, 4, 1), torch.randn(2, 4, 5, 5)
    block.bn2.weight.data.zero_()
    torch.testing.assert_close(block(x), x.relu())
    assert Block(4, 8, 2)(x).shape == (2, 8, 3, 3)


def test_the_small_one_is_a_sixteenth():
    paper, small = (
        sum(w.numel() for w in resnet18(7, size).parameters() if w.ndim == 4) for size in ("paper", "small")
    )
    assert small == pytest.approx(paper / 16, rel=0.01)
