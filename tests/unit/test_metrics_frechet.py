"""The Fréchet distance on values computed by hand, on closed forms, and against torchmetrics."""

import numpy as np
import pytest
import torch
from facetory.metrics.frechet import covariance_root, frechet, split_frechet
from facetory.pipeline.files import FacetoryError
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

FEATURES = arrays(np.float64, st.tuples(st.integers(2, 6), st.just(4)), elements=st.floats(-10, 10))


def random(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def with_deviations(deviations):
    """Points whose covariance is exactly diagonal, with these standard deviations."""
    d = len(deviations)
    return np.concatenate([np.diag(deviations), -np.diag(deviations)]) * np.sqrt((2 * d - 1) / 2)


def test_by_hand_in_one_dimension():
    """Means 1 and 5, variances 2 and 8: 16 + (√8 − √2)² = 18."""
    assert frechet(np.array([[0.0], [2.0]]), np.array([[3.0], [7.0]])) == pytest.approx(18)


def test_closed_form_for_diagonal_covariances():
    a, b, shift = np.array([1.0, 2, 3]), np.array([2.0, 0.5, 3]), np.array([1.0, 0, -2])
    found = frechet(with_deviations(a), with_deviations(b) + shift)
    assert found == pytest.approx((shift**2).sum() + ((a - b) ** 2).sum())


def test_commuting_full_covariances_agree_with_the_closed_form_too():
    turn, _ = np.linalg.qr(random(0, 3, 3))
    a, b = np.array([1.0, 2, 3]), np.array([2.0, 0.5, 3])
    assert frechet(with_deviations(a) @ turn, with_deviations(b) @ turn) == pytest.approx(
        ((a - b) ** 2).sum()
    )


@given(FEATURES, FEATURES)
@settings(max_examples=50, deadline=None)
def test_symmetric_never_negative_and_zero_for_a_set_and_itself(a, b):
    assert frechet(a, b) >= 0
    assert frechet(a, b) == pytest.approx(frechet(b, a), abs=1e-8)
    assert frechet(a, a[::-1]) == pytest.approx(0, abs=1e-8)


def test_moving_one_set_adds_the_squared_shift():
    a = random(1, 7, 5)
    assert frechet(a, a + 3) == pytest.approx(5 * 9)


def test_the_root_is_one_of_the_covariance_for_few_samples_and_many():
    for n in (4, 40):
        x = random(n, n, 8)
        root = covariance_root(x)
        assert root.shape == (min(n, 8), 8)
        np.testing.assert_allclose(root.T @ root, np.cov(x, rowvar=False), atol=1e-12)


@pytest.mark.parametrize("n", [6, 50])
def test_agrees_with_torchmetrics_on_the_same_features(n):
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Same(torch.nn.Module):
        num_features = 12

        def forward(self, x):
            return x.flatten(1)

    a, b = random(2, n, 12), random(3, n + 1, 12) * 1.5 + 0.3
    fid = FrechetInceptionDistance(Same(), normalize=True, input_img_size=(3, 2, 2)).set_dtype(torch.float64)
    for features, real in ((a, True), (b, False)):
        fid.update(torch.from_numpy(features).reshape(-1, 3, 2, 2), real=real)
    assert frechet(a, b) == pytest.approx(float(fid.compute()), rel=1e-4)


def test_one_sample_is_refused():
    with pytest.raises(FacetoryError, match="a covariance needs 2"):
        frechet(random(0, 1, 3), random(0, 5, 3))


def test_split_compares_one_half_with_the_edits_of_the_other():
    """Faces at 0, 1, 100, 101, edits of other spread: of the three ways to halve them one was taken."""
    sources, edited = np.array([[0.0], [1], [100], [101]]), np.array([[3.0], [9], [27], [81]])

    def both_ways(first, second):
        return (frechet(sources[first], edited[second]) + frechet(sources[second], edited[first])) / 2

    ways = [both_ways([0, 1], [2, 3]), both_ways([0, 2], [1, 3]), both_ways([0, 3], [1, 2])]
    found = {round(split_frechet(sources, edited, seed), 6) for seed in range(20)}
    assert found == {round(way, 6) for way in ways}


def test_an_edit_that_changes_nothing_is_not_perfect_when_split():
    sources = random(4, 20, 3)
    assert frechet(sources, sources) == pytest.approx(0, abs=1e-9)
    assert split_frechet(sources, sources) > 0.1
