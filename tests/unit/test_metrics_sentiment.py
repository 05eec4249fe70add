import numpy as np
import pytest
from facetory.metrics import scores, sentiment
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr

PREDICTED = np.array([-3.0, -1.0, 0.0, 1.0, 3.0, 0.0])
TRUE = np.array([-2.6, 0.0, -0.4, 1.5, 2.2, 1.0])
ONES = np.ones((1, 6))


def test_by_hand():
    """Rounded truths are −3, 0, 0, 2, 2, 1, and clipped to ±2: −2, 0, 0, 2, 2, 1."""
    assert sentiment.rounded_accuracy(3)(PREDICTED, TRUE, ONES) == pytest.approx(2 / 6)
    assert sentiment.rounded_accuracy(2)(PREDICTED, TRUE, ONES) == pytest.approx(3 / 6)
    assert sentiment.non_negative_accuracy(PREDICTED, TRUE, ONES) == pytest.approx(4 / 6)
    assert sentiment.positive_accuracy(PREDICTED, TRUE, ONES) == pytest.approx(4 / 5)
    assert sentiment.mean_absolute_error(PREDICTED, TRUE, ONES) == pytest.approx(
        (0.4 + 1 + 0.4 + 0.5 + 0.8 + 1) / 6
    )


def test_classes_stand_for_their_sentiment():
    assert sentiment.class_values(7).tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert sentiment.class_values(2).tolist() == [-1, 1]


def test_neutral_segments_count_in_one_convention_only():
    true = np.array([0.0, 0.0, 1.0, -1.0])
    said = np.array([1.0, -1.0, 1.0, -1.0])
    ones = np.ones((1, 4))
    assert sentiment.non_negative_accuracy(said, true, ones) == 0.75
    assert sentiment.positive_accuracy(said, true, ones) == 1
    assert np.isnan(sentiment.positive_accuracy(said[:2], true[:2], ones[:, :2])[0])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 40))
def test_pearson_agrees_with_scipy_weighted_by_repetition(seed, n):
    random = np.random.default_rng(seed)
    x, y = random.integers(-3, 4, size=n).astype(float), np.round(random.uniform(-3, 3, size=n), 1)
    times = random.integers(1, 4, size=n)
    found = sentiment.pearson(x, y, np.stack([np.ones(n), times]))
    if len(set(x)) < 2 or len(set(y)) < 2:
        assert np.isnan(found).all()
        return
    expected = [pearsonr(x, y)[0], pearsonr(np.repeat(x, times), np.repeat(y, times))[0]]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_pearson_of_a_constant_is_undefined_even_where_rounding_would_give_a_spread():
    constant = np.full(7, 0.1)
    assert np.isnan(sentiment.pearson(constant, np.arange(7.0), np.ones((2, 7)))).all()
    drawn = np.array([[3.0, 0, 0, 4], [1, 1, 1, 1]])
    found = sentiment.pearson(np.array([0.1, 0.7, 0.9, 0.1]), np.array([1.0, 2, 3, 4]), drawn)
    assert np.isnan(found[0]) and np.isfinite(found[1])


def test_intervals_come_from_the_same_bootstrap_as_every_score():
    random = np.random.default_rng(0)
    true = random.uniform(-3, 3, 200)
    said = np.stack([np.clip(np.round(true + random.normal(size=200)), -3, 3) for _ in range(3)])
    groups = [f"video {i % 40}" for i in range(200)]
    found = scores.estimate(sentiment.pearson, said, true, groups)
    assert found.low < found.value < found.high < 1 and found.n == 200
    worse = np.stack([random.permutation(run) for run in said])
    difference = scores.paired(sentiment.mean_absolute_error, worse, said, true, groups)
    assert difference.low > 0
