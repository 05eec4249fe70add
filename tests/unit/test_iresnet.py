import pytest
import torch
import torch.nn.functional as F
from facetory.pipeline.files import FacetoryError, read_json
from facetory.recognition.checkpoint import LISTS, shapes
from facetory.recognition.identity import describer, embedder
from facetory.recognition.iresnet import SIZES, Block, IResNet, iresnet, normalised
from facetory.recognition.judges_catalogue import missing_identity


def count(network):
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize(("name", "parameters"), [("iresnet50", 43_590_848), ("iresnet100", 65_156_160)])
def test_published_sizes(name, parameters):
    with torch.device("meta"):
        network = IResNet(SIZES[name], side=7, embedding=512, dropout=0.4)
    assert count(network) == parameters


def test_the_small_one_is_small():
    assert count(iresnet("small", 64, 128)) < 1_000_000


def expected_names(blocks):
    """The names of insightface's module tree, stated anew."""
    norm = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]

    def normed(*names):
        return [f"{name}.{part}" for name in names for part in norm]

    names = ["conv1.weight", "prelu.weight", "fc.weight", "fc.bias", *normed("bn1", "bn2", "features")]
    for stage, many in enumerate(blocks, start=1):
        for block in range(many):
            at = f"layer{stage}.{block}"
            names += [f"{at}.conv1.weight", f"{at}.conv2.weight", f"{at}.prelu.weight"]
            names += normed(f"{at}.bn1", f"{at}.bn2", f"{at}.bn3")
            if block == 0:
                names += [f"{at}.downsample.0.weight", *normed(f"{at}.downsample.1")]
    return names


def test_tensors_are_named_as_the_released_ones_are():
    with torch.device("meta"):
        network = IResNet(SIZES["iresnet100"], 7, 512, 0.0)
    listed = read_json(LISTS / "elasticface_r100.json")
    assert sorted(listed["weights"]) == sorted(expected_names((3, 13, 30, 3)))
    assert {name: list(shape) for name, shape in shapes(network.state_dict()).items()} == listed["weights"]


def test_a_block_is_the_sum_of_both_ways():
    torch.manual_seed(0)
    block, maps = Block(4, 6, stride=2).eval(), torch.randn(2, 4, 8, 8)
    for buffer in ("running_mean", "running_var"):
        for norm in (block.bn1, block.bn2, block.bn3, block.downsample[1]):
            getattr(norm, buffer).uniform_(0.5, 1.5)

    def norm(maps, layer):
        mean, var = (v[:, None, None] for v in (layer.running_mean, layer.running_var))
        return (maps - mean) / (var + 1e-5).sqrt() * layer.weight[:, None, None] + layer.bias[:, None, None]

    found = norm(F.conv2d(norm(maps, block.bn1), block.conv1.weight, padding=1), block.bn2)
    found = torch.where(found > 0, found, 0.25 * found)
    found = norm(F.conv2d(found, block.conv2.weight, stride=2, padding=1), block.bn3)
    found = found + norm(F.conv2d(maps, block.downsample[0].weight, stride=2), block.downsample[1])
    assert torch.allclose(block(maps), found, atol=1e-5)


def test_the_last_norm_only_shifts():
    network = iresnet("small", 64, 32)
    assert not network.features.weight.requires_grad and network.features.bias.requires_grad
    network.train()(torch.randn(4, 3, 64, 64)).square().sum().backward()
    assert network.features.weight.grad is None and torch.equal(network.features.weight, torch.ones(32))


@pytest.mark.parametrize("px", [32, 64, 112])
def test_any_multiple_of_sixteen_is_seen(px):
    assert iresnet("small", px, 32).eval()(torch.randn(2, 3, px, px)).shape == (2, 32)


def test_other_sides_and_names_are_refused():
    with pytest.raises(FacetoryError, match="multiple of 16"):
        iresnet("iresnet50", 100)
    with pytest.raises(FacetoryError, match="iresnet50"):
        iresnet("iresnet5", 112)


def test_weights_come_from_the_seed_alone():
    torch.manual_seed(1)
    first = iresnet("small", 64, 16, seed=3)
    torch.manual_seed(2)
    again, other = iresnet("small", 64, 16, seed=3), iresnet("small", 64, 16, seed=4)
    assert torch.equal(first.conv1.weight, again.conv1.weight)
    assert not torch.equal(first.conv1.weight, other.conv1.weight)


def test_pixels_are_scaled_to_minus_one_and_one():
    faces = torch.tensor([0, 255], dtype=torch.uint8).repeat(2, 3, 112, 56)
    assert normalised(faces, 112).unique().tolist() == [-1, 1]
    assert normalised(faces[..., :56, :56], 112).shape == (2, 3, 112, 112)


@pytest.fixture
def placed(tmp_path):
    torch.manual_seed(0)
    with torch.device("meta"):
        network = IResNet(SIZES["iresnet100"], 7, 512, 0.0)
    released = {
        key: torch.full(tensor.shape, 0.01) if tensor.is_floating_point() else torch.tensor(1)
        for key, tensor in network.state_dict().items()
    }
    path = tmp_path / "weights" / "elasticface_arc_r100.pth"
    path.parent.mkdir()
    torch.save(released, path)
    return tmp_path, path, released


def test_a_released_elasticface_describes_faces(placed):
    data_root, _, _ = placed
    assert missing_identity("elasticface_arc", data_root) is None
    faces = torch.randint(0, 256, (2, 3, 112, 112), dtype=torch.uint8).numpy()
    raw = describer("elasticface_arc", data_root=data_root)(faces)
    assert raw.shape == (2, 512)
    unit = embedder("elasticface_arc", data_root=data_root)(faces)
    assert abs((unit**2).sum(1) - 1).max() < 1e-5


def test_another_network_is_no_elasticface(placed):
    data_root, path, released = placed
    del released["layer3.29.conv1.weight"]
    torch.save(released, path)
    with pytest.raises(FacetoryError, match=r"layer3\.29\.conv1\.weight"):
        embedder("elasticface_arc", data_root=data_root)


def test_an_absent_elasticface_is_said_to_be(tmp_path):
    assert "elasticface_cos_r100.pth" in missing_identity("elasticface_cos", tmp_path)
