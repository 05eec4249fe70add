"""From errors to probabilities, and the one scalar between them."""

import numpy as np
import pytest
from facetory.emodc import calibration


def test_probabilities_by_hand():
    """Means .10 and .12, β = ln 3 / .02: three to one."""
    errors = np.array([[[0.05, 0.1], [0.15, 0.14]]])
    beta = np.log(3) / 0.02
    assert np.allclose(calibration.probabilities(errors, np.array([0]), beta), [[0.75, 0.25]])
    assert np.allclose(calibration.probabilities(errors, np.array([0]), 0.0), [[0.5, 0.5]])


def test_a_class_that_left_the_race_is_compared_where_it_ran():
    errors = np.array([[[0.1, 0.4], [0.9, np.nan]]])
    assert np.allclose(calibration.gaps(errors, np.array([0])), [[0.0, 0.3]])


def test_the_winner_is_never_behind():
    errors = np.random.default_rng(0).normal(size=(20, 5, 4))
    assert (calibration.gaps(errors, np.full(20, 2)) >= 0).all()


def drawn(n, beta, classes=5):
    """Gaps whose labels follow exp(−β gap)."""
    random = np.random.default_rng(1)
    gaps = random.exponential(1 / beta, size=(n, classes))
    gaps -= gaps.min(axis=1, keepdims=True)
    weights = np.exp(-beta * gaps).cumsum(axis=1)
    return gaps, (random.random((n, 1)) * weights[:, -1:] < weights).argmax(axis=1)


@pytest.mark.parametrize("beta", [0.5, 300.0])
def test_the_fit_finds_the_scale_that_made_the_labels(beta):
    gaps, labels = drawn(4000, beta)
    assert calibration.fit_beta(gaps, labels) == pytest.approx(beta, rel=0.1)


def test_a_perfect_classifier_gets_a_finite_scale_and_a_useless_one_none():
    gaps, _ = drawn(50, 10.0)
    assert 10 < calibration.fit_beta(gaps, gaps.argmin(axis=1)) < 1e4
    assert calibration.fit_beta(gaps, gaps.argmax(axis=1)) == 0
    assert calibration.fit_beta(np.zeros((4, 3)), np.array([0, 1, 2, 0])) == 0


def test_log_loss_by_hand_and_on_other_people():
    gaps = np.array([[0.0, 1.0], [0.0, 1.0]])
    assert np.allclose(calibration.log_loss(gaps, np.array([0, 1]), np.log(3)), -np.log([0.75, 0.25]))
    gaps, labels = drawn(400, 2.0)
    losses = calibration.held_out_log_loss(gaps, labels, [f"p{i // 2}" for i in range(400)])
    assert losses.mean() == pytest.approx(calibration.log_loss(gaps, labels, 2.0).mean(), rel=0.05)
    assert np.isnan(calibration.held_out_log_loss(gaps, labels, ["p"] * 400)).all()
