"""Affect-Diff's losses and curricula against values computed by hand."""

import math

import pytest
import torch
import torch.nn.functional as F
from facetory.affectdiff.curriculum import curriculum, temperature
from facetory.affectdiff.losses import (
    adaptive_beta,
    causal_penalty,
    class_weights,
    diffusion_loss,
    focal_cross_entropy,
    kl_free_bits,
    masked_mean,
    reconstruction_loss,
)
from facetory.affectdiff.validate import batch_balanced_accuracy, confusion_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

LOGITS = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]])
LABELS = torch.tensor([0, 1])


def test_focal_loss_of_two_samples_by_hand():
    """p of the labels is 3/4 and 1/2."""
    expected = (0.25**2 * -math.log(0.75) + 0.5**2 * math.log(2)) / 2
    assert focal_cross_entropy(LOGITS, LABELS, 2.0).item() == pytest.approx(expected, rel=1e-6)


def test_without_gamma_it_is_cross_entropy():
    torch.testing.assert_close(
        focal_cross_entropy(LOGITS, LABELS, 0.0, 0.1), F.cross_entropy(LOGITS, LABELS, label_smoothing=0.1)
    )


def test_smoothing_and_weights_enter_before_the_focus():
    """A smoothed label is 0.95 its class and 0.05 the other; each class has its weight."""
    first = 0.95 * -math.log(0.75) + 0.05 * -math.log(0.25) * 4
    second = 0.95 * math.log(2) * 4 + 0.05 * math.log(2)
    by_hand = sum((1 - math.exp(-ce)) ** 2 * ce for ce in (first, second)) / 2
    found = focal_cross_entropy(LOGITS, LABELS, 2.0, 0.1, torch.tensor([1.0, 4.0]))
    assert found.item() == pytest.approx(by_hand, rel=1e-6)


def test_the_focus_has_no_gradient_of_its_own():
    """d/dx (1 - p)^2 CE with p held: (1 - p)^2 (softmax - target)."""
    logits = LOGITS[:1].clone().requires_grad_()
    focal_cross_entropy(logits, LABELS[:1], 2.0).backward()
    torch.testing.assert_close(logits.grad, 0.25**2 * torch.tensor([[-0.25, 0.25]]))


def test_rare_classes_weigh_by_the_square_root_up_to_eight():
    assert class_weights([100, 25, 4, 1, 0, 100]).tolist() == [1, 2, 5, 8, 8, 1]


def test_kl_is_free_below_the_threshold_in_each_dimension():
    """KL of N(1, 1) is 1/2 nat, of N(0, e) (e - 2)/2 = 0.359 nat."""
    mean, logvar = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 1.0]]])
    assert kl_free_bits(mean, logvar, 0.0).item() == pytest.approx(0.5 + (math.e - 2) / 2)
    assert kl_free_bits(mean, logvar, 0.4).item() == pytest.approx(0.1)
    assert kl_free_bits(0 * mean, 0 * logvar, 0.25).item() == 0


def test_what_is_not_valid_enters_no_mean():
    mean = torch.tensor([[[1.0], [100.0]], [[3.0], [100.0]]])
    valid = torch.tensor([[True, False], [True, False]])
    assert kl_free_bits(mean, 0 * mean, 0.0, valid).item() == pytest.approx((0.5 + 4.5) / 2)
    noise = torch.zeros(2, 1, 2)
    assert diffusion_loss(noise, mean.transpose(1, 2), valid).item() == pytest.approx((1 + 9) / 2)
    assert masked_mean(mean[..., 0], torch.zeros(2, 2, dtype=torch.bool)).item() == 0


def test_diffusion_loss_is_the_mean_squared_error():
    noise, predicted = torch.randn(3, 4, 5), torch.randn(3, 4, 5)
    torch.testing.assert_close(diffusion_loss(noise, predicted), F.mse_loss(predicted, noise))


def test_causal_penalty_with_and_without_acyclicity():
    adjacency = torch.tensor([[[0.0, 0.9, 0.0], [0.0, 0.0, -0.9], [0.0, 0.0, 0.0]]])
    h = torch.tensor([2.0])
    assert causal_penalty(h, adjacency, 0.1).item() == pytest.approx(2 + 0.1 * 0.2)
    assert causal_penalty(None, adjacency, 7.0).item() == pytest.approx(0.2)


def test_reconstruction_averages_the_modalities():
    streams = [torch.zeros(1, 2, d) for d in (3, 2, 1)]
    decoded = [stream + level for stream, level in zip(streams, (1.0, 2.0, 3.0), strict=True)]
    assert reconstruction_loss(decoded, streams, None).item() == pytest.approx((1 + 4 + 9) / 3)
    mask = torch.tensor([[[True, True], [True, False], [False, False]]])
    decoded[1][:, 1] = 50.0
    assert reconstruction_loss(decoded, streams, mask).item() == pytest.approx((1 + 4 + 0) / 3)


def test_adaptive_beta_presses_only_above_its_target():
    full, half, none = (adaptive_beta(0.1, torch.tensor(kl), 5.0).item() for kl in (50.0, 5.0, -50.0))
    assert (full, half) == pytest.approx((0.1, 0.05)) and none < 1e-20


@pytest.mark.parametrize(
    ("kind", "epoch", "expected"),
    [
        ("paper", 0, (0, 0)),
        ("paper", 10, (0.5, 1 / 3)),
        ("paper", 40, (1, 1)),
        ("code", 0, (0, 0)),
        ("code", 9, (0, 0.9)),
        ("code", 19, (0.5, 1)),
        ("code", 20, (0.55, 0)),
        ("code", 29, (1, 0.9)),
        ("none", 0, (1, 1)),
    ],
)
def test_curricula(kind, epoch, expected):
    assert curriculum(kind, epoch) == pytest.approx(expected)


def test_the_temperature_falls_to_one_half():
    assert [temperature(epoch) for epoch in (0, 4, 10, 90)] == pytest.approx([1, 0.8, 0.5, 0.5])


PAIRS = arrays.arrays("int64", st.tuples(st.just(2), st.integers(1, 40)), elements=st.integers(0, 5))


@settings(deadline=None)
@given(PAIRS, st.integers(1, 16))
def test_the_released_selection_is_torchmetrics_by_batches(pairs, size):
    from torchmetrics.functional.classification import multiclass_accuracy

    labels, predicted = pairs
    parts = [
        (
            multiclass_accuracy(
                torch.from_numpy(predicted[i : i + size]), torch.from_numpy(labels[i : i + size]), 6
            ),
            len(labels[i : i + size]),
        )
        for i in range(0, len(labels), size)
    ]
    expected = sum(score.item() * n for score, n in parts) / len(labels)
    assert batch_balanced_accuracy(labels, predicted, 6, size) == pytest.approx(expected, abs=1e-6)


@given(PAIRS)
def test_confusion_counts_rows_as_true(pairs):
    confusion = confusion_of(*pairs, 6)
    assert confusion.sum() == pairs.shape[1]
    assert confusion[pairs[0, 0], pairs[1, 0]] >= 1
