"""The 10-fold protocol against a literal transcription, hand-computed folds, and its interval."""

import numpy as np
import pytest
from facetory.metrics.folds import (
    THRESHOLDS,
    accuracy,
    fold_accuracies,
    kfold,
    squared_distances,
)
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import KFold


def literal(distance, same, folds):
    """The protocol as the LFW evaluation states it, loop by loop, with scikit-learn's folds."""
    found = []
    for train, test in KFold(n_splits=folds, shuffle=False).split(np.arange(len(same))):
        right = [np.mean((distance[train] < t) == same[train]) for t in np.arange(0, 4, 0.01)]
        best = np.arange(0, 4, 0.01)[np.argmax(right)]
        found.append(np.mean((distance[test] < best) == same[test]))
    return np.array(found)


@pytest.mark.parametrize(("pairs", "folds"), [(6000, 10), (23, 10), (10, 10), (7, 2)])
def test_folds_are_consecutive_blocks(pairs, folds):
    parts = [test for _, test in KFold(folds).split(np.arange(pairs))]
    assert (kfold(pairs, folds) == np.repeat(np.arange(folds), [len(part) for part in parts])).all()


@given(st.integers(0, 2**32 - 1), st.integers(10, 120), st.integers(2, 10), st.booleans())
def test_it_is_the_literal_protocol(seed, pairs, folds, on_grid):
    rng = np.random.default_rng(seed)
    same = rng.random(pairs) < 0.5
    distance = rng.uniform(0, 4.5, pairs) * np.where(same, 0.6, 1)
    if on_grid:  # distances that equal a threshold are not below it
        distance = THRESHOLDS[rng.integers(len(THRESHOLDS), size=pairs)]
    assert fold_accuracies(distance, same, kfold(pairs, folds)) == pytest.approx(
        literal(distance, same, folds), abs=0
    )


def test_float32_distances_are_compared_as_they_are():
    distance, same = np.float32([0.3, 0.3, 2, 2]), np.array([True, True, False, False])
    fold = np.array([0, 1, 0, 1])
    assert fold_accuracies(distance, same, fold).tolist() == [1, 1]


def test_the_lowest_of_the_best_thresholds_judges_the_fold():
    distance = np.array([1.0, 3.0, 1.005, 2.5])
    same = np.array([True, False, True, False])
    fold = np.array([0, 0, 1, 1])
    # Fold 1's best thresholds are 1.01 … 2.50, of which 1.01 decides fold 0 rightly; fold 0's are
    # 1.01 … 3.00, and 1.01 is above 1.005.
    assert fold_accuracies(distance, same, fold).tolist() == [1, 1]
    distance[2] = 1.01  # not below 1.01
    assert fold_accuracies(distance, same, fold).tolist() == [1, 0.5]


def test_what_has_no_distance_is_no_match():
    distance, same = np.array([np.nan, 0.1, 0.1, np.nan]), np.array([False, True, True, True])
    assert fold_accuracies(distance, same, np.array([0, 0, 1, 1])).tolist() == [1, 0.5]


def test_weights_are_repetitions():
    rng = np.random.default_rng(1)
    distance, same, fold = rng.uniform(0, 4, 60), rng.random(60) < 0.5, kfold(60, 3)
    counts = rng.integers(0, 4, (5, 60)).astype(float)
    found = fold_accuracies(distance, same, fold, counts)
    for weights, row in zip(counts, found, strict=True):
        times = weights.astype(int)
        repeated = fold_accuracies(*(np.repeat(part, times) for part in (distance, same, fold)))
        assert row == pytest.approx(repeated, abs=1e-15)


def test_a_fold_that_was_not_drawn_has_no_accuracy():
    found = fold_accuracies(np.array([0.1, 0.1]), np.array([True, True]), np.array([0, 1]), np.eye(2))
    assert np.isnan(found[0, 1]) and np.isnan(found[1, 0])


def test_squared_distances_of_unit_vectors():
    features = np.float32([[1, 0], [0, 1], [1, 0], [1, 0], [1, 0], [-1, 0]])
    assert squared_distances(features).tolist() == [2, 0, 4]


class TestAccuracy:
    def test_mean_and_deviation_over_folds(self):
        distance = np.array([0.1, 3, 0.1, 3, 3, 3])
        same = np.array([True, False, True, False, True, False])
        found = accuracy(distance, same, np.array([0, 0, 1, 1, 2, 2]))
        assert found.estimate.value == pytest.approx((1 + 1 + 0.5) / 3)
        assert found.sd == pytest.approx(np.std([1, 1, 0.5])) and found.resampled == "pairs"
        assert found.estimate.n == 6

    def test_its_interval_covers_what_more_pairs_would_say(self):
        rng = np.random.default_rng(0)
        covered = []
        for seed in range(20):
            same = np.arange(400) % 2 == 0
            distance = rng.normal(np.where(same, 1, 2), 0.5).clip(0.001, 3.9)
            found = accuracy(distance, same, kfold(400, 4), seed=seed).estimate
            covered.append(found.low <= 0.8413 <= found.high)  # Φ(1), of the best threshold 1.5
        assert np.mean(covered) > 0.8

    def test_people_who_are_decided_alike_widen_it(self):
        rng = np.random.default_rng(0)
        person = np.repeat(np.arange(20), 30)
        same = np.arange(600) % 2 == 0
        easy = rng.random(20)[person] < 0.8
        distance = np.where(same == easy, 0.5, 2.5)
        people = [(f"p{i}", f"p{i}" if s else f"q{i}") for i, s in zip(person, same, strict=True)]
        fold = np.repeat(np.arange(10), 60)
        by_pairs, by_people = (accuracy(distance, same, fold, p) for p in (None, people))
        assert by_people.resampled == "people"
        assert by_people.estimate.value == by_pairs.estimate.value
        width = [found.estimate.high - found.estimate.low for found in (by_pairs, by_people)]
        assert width[1] > 2 * width[0]

    def test_without_a_mistake_it_is_wilsons_over_the_people(self):
        same = np.array([True, False] * 10)
        people = [(f"{i}", f"{i}" if s else f"{(i + 1) % 20}") for i, s in enumerate(same)]
        found = accuracy(np.where(same, 0.1, 2), same, kfold(20, 10), people).estimate
        assert (found.value, found.high) == (1, 1) and found.low == pytest.approx(0.8389, abs=1e-4)
