"""The peaks that are computed: by hand, with and without data, beside the allocator's own count."""

import importlib
import json
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
BLOCK = 512
WIDTH, OUT = 1024, 256


@pytest.fixture
def tracker(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield importlib.import_module("memory_tracker")
    torch.set_num_threads(threads)


def linear(tracker, batch, layers=1):
    """A step of Adam on linear layers, gradients kept between steps as the loop keeps them."""

    def make(device):
        widths = [WIDTH] * layers + [OUT]
        network = nn.Sequential(*(nn.Linear(a, b, bias=False) for a, b in pairwise(widths)))
        optimizer = torch.optim.AdamW(network.parameters(), fused=True)
        for weight in network.parameters():
            weight.grad = torch.zeros_like(weight)
        images = torch.zeros(batch, WIDTH, device=device)

        def step(number):
            network(images).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)

        return tracker.Prepared({"network": network}, step, optimizer, [images])

    return make


def test_a_linear_layer_by_hand(tracker):
    batch = 8
    peak = tracker.computed(linear(tracker, batch))
    weight = 4 * WIDTH * OUT
    assert peak.parameters == WIDTH * OUT
    assert peak.kinds["weights"] == peak.kinds["gradients"] == weight
    assert peak.kinds["optimiser"] == 2 * weight + BLOCK  # two moments and the counter of steps
    assert peak.kinds["data"] == 4 * batch * WIDTH
    # the new gradient before it is added to the old one; the answer is still kept by the loss's graph
    answer = 4 * batch * OUT
    assert weight <= peak.kinds["activations"] <= weight + 4 * answer + 8 * BLOCK
    assert peak.bytes == sum(peak.kinds.values())


def test_activations_of_a_forward_pass_by_hand(tracker):
    def make(device):
        network = nn.Sequential(nn.Linear(WIDTH, WIDTH, bias=False), nn.Linear(WIDTH, OUT, bias=False))
        network.requires_grad_(False)
        images = torch.zeros(8, WIDTH)
        return tracker.Prepared({"network": network}, lambda number: network(images), data=[images])

    peak = tracker.computed(make)
    assert peak.kinds["activations"] == 4 * 8 * (WIDTH + OUT)
    assert peak.kinds["gradients"] == peak.kinds["optimiser"] == 0


def test_small_tensors_take_a_block(tracker):
    def make(device):
        return tracker.Prepared({}, lambda number: [torch.zeros(1) for _ in range(3)])

    assert tracker.computed(make).bytes == 3 * BLOCK


def test_more_samples_take_more(tracker):
    found = [tracker.computed(linear(tracker, batch, 2)).bytes for batch in (64, 256, 1024)]
    assert found == sorted(set(found))


def convolutional(tracker):
    def make(device):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.SiLU(), nn.Conv2d(16, 8, 3, padding=1)
        )
        weights = list(network.parameters())
        optimizer = torch.optim.SGD(weights, 0.1, momentum=0.9)
        images = torch.zeros(4, 3, 32, 32)

        def step(number):
            tokens = network(images).flatten(2).transpose(1, 2)[:, None]
            F.scaled_dot_product_attention(tokens, tokens, tokens).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()

        return tracker.Prepared({"network": network}, step, optimizer, [images])

    return make


def test_with_and_without_data_it_is_the_same(tracker):
    with tracker.as_on_cuda():
        without = tracker.counted(convolutional(tracker))
    assert tracker.counted(convolutional(tracker)) == without
    assert without.kinds["weights"] > 0 and without.kinds["activations"] > 4 * 4 * 16 * 32 * 32


def test_it_is_what_the_allocator_hands_out(tracker):
    """The computed rise above what is kept, beside the largest sum of torch's own record of allocations."""
    make = linear(tracker, 2048, 3)
    ready = make("cpu")
    ready.step(0)
    kinds = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=kinds, profile_memory=True) as record:
        ready.step(1)
    events = record.profiler.kineto_results.events()
    changes = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    total = largest = 0
    for _, change in changes:
        total += change
        largest = max(largest, total)
    computed = tracker.computed(make).kinds["activations"]
    assert largest > 2**23
    assert computed == pytest.approx(largest, rel=0.03)


def test_half_precision_is_that_of_cuda(tracker):
    """On CUDA normalisation and softmax are float32 under autocast, and dropout keeps a mask of bytes."""
    size, kinds = 64 * 256, {}

    def make(device):
        def step(number):
            x = torch.zeros(64, 256, dtype=torch.bfloat16, requires_grad=True)
            with torch.autocast("cpu", torch.bfloat16):
                kinds["norm"] = F.group_norm(x, 4).dtype
                kinds["softmax"] = x.softmax(1).dtype
                kinds["sum"] = x.sum().dtype
                kinds["linear"] = F.linear(x, torch.zeros(8, 256)).dtype

        return tracker.Prepared({}, step)

    tracker.computed(make)
    assert kinds == {
        "norm": torch.float32,
        "softmax": torch.float32,
        "sum": torch.float32,
        "linear": torch.bfloat16,
    }

    def dropping(device):
        x = torch.zeros(64, 256, requires_grad=True)
        return tracker.Prepared({}, lambda number: F.dropout(x, 0.3), data=[x])

    assert tracker.computed(dropping).kinds["activations"] == 5 * size
    with torch.autocast("cpu", torch.bfloat16):  # and elsewhere nothing has changed
        assert F.group_norm(torch.zeros(2, 4, 3, dtype=torch.bfloat16), 2).dtype == torch.bfloat16


def test_attention_is_not_laid_out(tracker):
    def make(device):
        def step(number):
            x = torch.zeros(1, 1, 4096, 8, requires_grad=True)
            F.scaled_dot_product_attention(x, x, x, dropout_p=0.1).sum().backward()

        return tracker.Prepared({}, step)

    assert tracker.computed(make).bytes < 4096 * 4096


def test_it_writes_what_it_computed(tracker, monkeypatch, tmp_path, capsys):
    memory = importlib.import_module("memory")
    large = [2**28, 2**26]

    def holding(batch, device):
        def step(number):
            return torch.zeros(batch, large[0]), torch.zeros(large[1])

        return tracker.Prepared({}, step)

    stages = [memory.Stage("holding", "emodc", "nothing", "no", 64, None, holding, "all of it")]
    monkeypatch.setattr(memory, "stages", lambda: stages)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    output = tmp_path / "memory.json"
    monkeypatch.setattr(sys, "argv", ["memory.py", "--output", str(output)])
    memory.main()
    about = json.loads(output.read_text())
    (found,) = about["stages"]
    assert about["gpu"] is None and found["how"] == "computed" and found["scope"] == "all of it"
    assert found["peak_gb"] == 64.25 and found["breakdown"]["activations"] == 64.25
    assert found["largest_batch"] == {"24": 16, "48": 32, "80": 64}
    assert "80 GB" in capsys.readouterr().out
    assert memory.largest_batch(1, lambda batch: (tracker.Peak(2**40, {}, 0), "computed"), 80) == 0
