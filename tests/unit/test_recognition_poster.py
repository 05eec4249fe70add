"""POSTER and POSTER++: shapes, sizes, what reaches what; their layers against hand-written ones."""

import pytest
import torch
from facetory.pipeline.files import read_json
from facetory.recognition.checkpoint import LISTS, shapes
from facetory.recognition.layers import DropPath, attention
from facetory.recognition.poster import poster, with_mean
from facetory.recognition.posterpp import posterpp, relative_positions

NETWORKS = {"poster": poster, "posterpp": posterpp}
BUFFERS = ("running_mean", "running_var", "num_batches_tracked", "relative_position_index")


def count(network):
    return sum(weight.numel() for weight in network.parameters())


@pytest.fixture(params=NETWORKS)
def small(request):
    torch.manual_seed(0)
    return NETWORKS[request.param](5, "small")


@pytest.mark.parametrize("px", [64, 100, 112])
def test_faces_of_any_size_become_logits(small, px):
    assert small(torch.randn(2, 3, px, px)).shape == (2, 5)


def test_every_weight_of_both_branches_learns(small):
    small(torch.randn(4, 3, 64, 64)).square().sum().backward()
    assert [name for name, weight in small.named_parameters() if not weight.grad.any()] == []


def test_samples_do_not_meet_in_evaluation(small):
    images = torch.randn(3, 3, 64, 64)
    with torch.inference_mode():
        together = small.eval()(images)
        alone = torch.cat([small(image[None]) for image in images])
    torch.testing.assert_close(together, alone)


def test_large_images_are_seen_by_their_nearest_pixels(small):
    """The released code takes every second pixel of a picture of twice the size."""
    images = torch.randn(2, 3, 128, 128)
    with torch.inference_mode():
        assert torch.equal(small.eval()(images), small(images[..., ::2, ::2]))


@pytest.mark.parametrize(("name", "ours"), [("poster", 58_906_255), ("posterpp", 43_753_941)])
def test_parameters_of_the_papers_size(name, ours):
    with torch.device("meta"):
        network = NETWORKS[name](7)
    listed = read_json(LISTS / f"{name}.json")
    file = {
        key: torch.Size(shape).numel()
        for key, shape in (listed["weights"] | listed["unused"]).items()
        if not key.endswith(BUFFERS)
    }
    told = listed["parameters"]
    assert (count(network), sum(file.values())) == (ours, told["authors"])
    assert told["ours"] == ours


def test_posters_counts_are_its_papers_and_its_logs():
    """71.8 M in the paper; without the frozen landmark branch 70.843 M, as the training log prints."""
    listed = read_json(LISTS / "poster.json")
    file = listed["weights"] | listed["unused"]
    trained = sum(
        torch.Size(shape).numel()
        for key, shape in file.items()
        if not key.endswith(BUFFERS) and not key.startswith("face_landback.")
    )
    assert (trained, sum(key.startswith("ir_back.") for key in file)) == (70_843_151, 304)
    assert round(listed["parameters"]["authors"] / 1e6, 2) == 71.85


def test_small_ones_are_small():
    assert count(poster(7, "small")) < 300_000 and count(posterpp(7, "small")) < 300_000


@pytest.mark.parametrize("name", NETWORKS)
def test_the_committed_list_is_the_networks(name):
    listed = read_json(LISTS / f"{name}.json")
    with torch.device("meta"):
        network = NETWORKS[name](7)
    assert shapes(network.state_dict()) == {key: tuple(shape) for key, shape in listed["weights"].items()}
    assert not set(listed["weights"]) & set(listed["unused"])


def test_tokens_are_led_by_their_mean():
    tokens = torch.tensor([[[1.0, 2.0], [3.0, 6.0]]])
    assert with_mean(tokens).tolist() == [[[2.0, 4.0], [1.0, 2.0], [3.0, 6.0]]]


def test_attention_by_hand():
    """Two heads of width 1: each query weighs the values by softmax(query · key + bias)."""
    queries, keys = torch.tensor([[[1.0, 0.0], [2.0, 1.0]]]), torch.tensor([[[0.0, 1.0], [1.0, 1.0]]])
    values, bias = torch.tensor([[[4.0, 10.0], [8.0, 20.0]]]), torch.zeros(2, 2, 2)
    bias[1, 0, 1] = 3.0
    weight = torch.tensor([[1.0, 3.0], [2.0, 0.0]]).sigmoid()  # of the second value, by query and head
    expected = values[0, 0] + weight * (values[0, 1] - values[0, 0])
    torch.testing.assert_close(attention(queries, keys, values, 2, bias)[0], expected)


def test_relative_positions_tell_offsets_apart():
    side = 3
    table = relative_positions(side)
    places = [(row, column) for row in range(side) for column in range(side)]
    offsets = {
        (a[0] - b[0], a[1] - b[1]): int(table[i, j])
        for i, a in enumerate(places)
        for j, b in enumerate(places)
    }
    assert len(offsets) == len(set(offsets.values())) == (2 * side - 1) ** 2
    assert (offsets[-2, -2], offsets[0, 0], offsets[0, 1], offsets[2, 2]) == (0, 12, 13, 24)
    assert all(
        int(table[i, j]) == offsets[a[0] - b[0], a[1] - b[1]]
        for i, a in enumerate(places)
        for j, b in enumerate(places)
    )


def test_dropped_paths_are_whole_samples():
    torch.manual_seed(0)
    drop, branch = DropPath(0.25), torch.ones(4000, 2, 3)
    dropped = drop(branch)
    assert all(len(sample.unique()) == 1 for sample in dropped[:50])
    assert sorted(dropped.unique().tolist()) == pytest.approx([0, 4 / 3])
    assert dropped.mean().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(drop.eval()(branch), branch)
