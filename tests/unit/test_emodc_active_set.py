"""Active-set training: the gradient of the whole batch, from the rows whose hinge is active."""

import json

import numpy as np
import pytest
import torch
from emodc_street import build, train_spec
from facetory.diffusion import lora
from facetory.emodc import active_set
from facetory.emodc.active_set import ActiveSet, loss_of_active
from facetory.emodc.train import EmoDCTask, train_emodc

POSITIONS = np.arange(12)
LOSSES = [
    {"loss": "fmdit", "margin": 1e-3},
    *({"loss": "amdit", "non_negative_prompt": prompt} for prompt in ("positive", "non_class", "null")),
    {"loss": "amdit", "detach_margin": True},
]


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    torch.set_num_threads(1)
    return build(tmp_path_factory.mktemp("street"))


def some_active(street, mode, **changes):
    """A task whose adapter tells prompts apart, so that hinges of both kinds lie in a batch."""
    task = EmoDCTask(train_spec(active_set=mode, **changes), *street.values())
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in lora.trainable_parameters(task.unet).items():
            if "lora_B" in name:
                weight.copy_(0.2 * torch.randn(weight.shape, generator=generator))
    return task


def gradient(task, step=3):
    loss, numbers = task.loss(POSITIONS, step)
    weights = lora.trainable_parameters(task.unet).values()
    return loss.item(), numbers, torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(weights))])


@pytest.mark.parametrize("changes", LOSSES)
def test_loss_numbers_and_gradient_are_those_of_the_whole_batch(street, changes):
    plain_loss, plain, expected = gradient(some_active(street, "never", **changes))
    loss, numbers, found = gradient(some_active(street, "always", **changes))
    assert 0 < numbers["active_fraction"] < 1
    assert loss == pytest.approx(plain_loss, rel=1e-5)
    assert numbers.keys() == plain.keys()
    assert all(numbers[key].item() == pytest.approx(plain[key].item(), rel=1e-5) for key in plain)
    assert (found - expected).norm() < 1e-5 * expected.norm()


def test_gradients_survive_the_cache_of_half_precision_weights(street):
    """Autocast keeps the weights that it rounded without a graph, unless it is told to forget them."""
    with torch.autocast("cpu", torch.bfloat16):
        _, _, expected = gradient(some_active(street, "never"))
        _, _, found = gradient(some_active(street, "always"))
    assert (found - expected).norm() < 0.1 * expected.norm()


def rows_with_a_graph(task, step):
    """How many rows go through the UNet with gradients, of how many samples."""
    rows = []
    handle = task.unet.register_forward_pre_hook(
        lambda _, inputs: rows.append(len(inputs[0]) * torch.is_grad_enabled())
    )
    fraction = float(task.loss(POSITIONS, step)[1]["active_fraction"])
    handle.remove()
    return sum(rows), round(fraction * len(POSITIONS))


def test_only_active_rows_have_a_backward(street):
    rows, active = rows_with_a_graph(some_active(street, "always"), 3)
    assert 0 < active < len(POSITIONS) and rows == 2 * active
    rows, active = rows_with_a_graph(some_active(street, "never"), 3)
    assert active < len(POSITIONS) and rows == 2 * len(POSITIONS)


def test_without_active_rows_the_loss_is_zero_and_has_no_graph():
    loss = loss_of_active(lambda rows: ({}, torch.zeros(4, requires_grad=True)[rows] * 1))[2]
    assert loss.item() == 0 and not loss.requires_grad


def decisions(mode, fractions, parts=2):
    """What an ActiveSet decides at each step, given the active fraction of batches of 20 in parts."""
    chooser, made = ActiveSet(mode), []
    for step, fraction in enumerate(fractions):
        for part in torch.split(torch.arange(20) < round(20 * fraction), 20 // parts):
            made.append(chooser.decide(step))
            chooser.note(part)
    return made[::parts]


def test_it_follows_the_last_windows_active_fraction():
    fractions = [0.3] * 50 + [0.6] * 50 + [0.4] * 50 + [0.35] * 50
    made = decisions("auto", [*fractions, 0.0])
    assert made == [False] * 50 + [True] * 50 + [False] * 100 + [True]
    assert decisions("never", fractions) == [False] * 200
    assert decisions("always", fractions) == [True] * 200


@pytest.mark.parametrize("mode", ["auto", "always"])
def test_a_run_resumed_within_a_window_is_bit_equal(street, tmp_path, monkeypatch, mode):
    monkeypatch.setattr(active_set, "WINDOW", 4)
    monkeypatch.setattr(active_set, "PAYS_BELOW", 2)  # so that "auto" skips rows from step 4 on
    decided, decide = [], ActiveSet.decide
    monkeypatch.setattr(ActiveSet, "decide", lambda *args: decided.append(decide(*args)) or decided[-1])
    spec = train_spec(active_set=mode, steps=20, accumulation=2, checkpoint_every=7, lr=1e-2)
    adapter, progress = tmp_path / "run" / "adapter.safetensors", tmp_path / "run" / "progress.jsonl"

    def trained():
        decided.clear()
        train_emodc(spec, **street, folder=tmp_path / "run", checkpoints=tmp_path / "checkpoints")
        lines = [json.loads(line) for line in progress.read_text().splitlines()]
        return adapter.read_bytes(), [line | {"seconds": 0} for line in lines], list(decided)

    weights, lines, made = trained()
    (newest,) = tmp_path.glob("checkpoints/*/step-00000020.safetensors")
    newest.unlink()
    again, lines_again, made_again = trained()
    assert made == [mode == "always" or step >= 4 for step in range(20) for _ in range(2)]
    assert made_again == made[2 * 14 :]
    assert again == weights and lines_again == lines
