import math

import numpy as np
import pytest
from facetory.metrics import pair_bootstrap
from facetory.metrics.bootstrap import draws
from facetory.metrics.pair_bootstrap import PairScores, estimates, resampled, thresholds
from facetory.metrics.verification import measures
from hypothesis import given, settings
from hypothesis import strategies as st


def drawn_scores(people, seed=0, mean=0.3, decimals=2, images=4):
    """Scores of people who differ, all pairs of them, of unequal sizes."""
    random = np.random.default_rng(seed)
    own = random.normal(mean, 0.08, people)
    of_person = random.integers(1, images + 1, people) * 3
    pairs = np.array([(a, b) for a in range(people) for b in range(a + 1, people)])
    of_pair = random.integers(1, images + 1, len(pairs)) ** 2
    genuine = np.repeat(own, of_person) + random.normal(0, 0.1, of_person.sum())
    impostor = np.repeat(own[pairs].mean(1) - mean, of_pair) + random.normal(0, 0.1, of_pair.sum())
    kind = np.float32
    return PairScores(
        genuine.round(decimals).astype(kind), of_person, impostor.round(decimals).astype(kind), pairs, of_pair
    )


def plainly(scores, times):
    """The measures of one replicate, its scores written out as often as they were drawn."""
    person = np.repeat(np.arange(len(times)), scores.of_person)
    pair = np.repeat(scores.pairs, scores.of_pair, axis=0)
    genuine = np.repeat(scores.genuine, times[person])
    impostor = np.repeat(scores.impostor, times[pair[:, 0]] * times[pair[:, 1]])
    return measures(genuine, impostor)


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_few_scores_are_resampled_exactly(seed):
    scores = drawn_scores(9, seed)
    times = np.random.default_rng(seed).integers(0, 4, (5, 9))
    times[:, :2] += 1
    limits = thresholds(scores.genuine, scores.impostor)
    found = resampled(scores, times.astype(float), limits)
    for row, expected in enumerate(plainly(scores, own) for own in times):
        assert {name: found[name][row] for name in found} == pytest.approx(expected, abs=1e-6, nan_ok=True)
        for name in ("eer", "fmr100", "fmr1000"):
            assert found[name][row] == pytest.approx(expected[name], abs=1e-12, nan_ok=True)


def test_many_scores_are_resampled_closely(monkeypatch):
    """Counted between fewer thresholds, errors are off by no more than the genuine share between two."""
    monkeypatch.setattr(pair_bootstrap, "UNITS_AT_ONCE", 50)
    scores = drawn_scores(80, decimals=6, images=12)
    limits = thresholds(scores.genuine, scores.impostor)
    assert len(limits) < len(scores.impostor) / 20
    drawn = next(draws(1, 20, 80, 80))
    found = resampled(scores, drawn, limits)
    for row, times in enumerate(drawn.astype(int)):
        expected = plainly(scores, times)
        assert found["eer"][row] == pytest.approx(expected["eer"], abs=1e-3)
        for name in ("fmr100", "fmr1000"):
            assert 0 <= found[name][row] - expected[name] < 0.004
        for name in ("genuine_mean", "genuine_std", "impostor_mean", "impostor_std"):
            assert found[name][row] == pytest.approx(expected[name], abs=1e-6)
        assert found["fdr"][row] == pytest.approx(expected["fdr"], rel=1e-5)


def test_rates_of_few_genuine_scores_are_exact():
    """Every genuine score is a threshold, and FNMR changes nowhere else."""
    scores = drawn_scores(40, decimals=6, images=6)
    assert len(scores.genuine) < 1000 < pair_bootstrap.FEW < len(scores.impostor)
    drawn = next(draws(1, 10, 40, 40))
    found = resampled(scores, drawn, thresholds(scores.genuine, scores.impostor))
    for row, times in enumerate(drawn.astype(int)):
        expected = plainly(scores, times)
        for name in ("fmr100", "fmr1000"):
            assert found[name][row] == pytest.approx(expected[name], abs=1e-12)


def test_values_are_exact_and_lie_in_their_intervals():
    scores = drawn_scores(40, images=5)
    found = estimates(scores, replicates=300)
    assert {name: own.value for name, own in found.items()} == measures(scores.genuine, scores.impostor)
    assert all(own.low <= own.value <= own.high for own in found.values())
    assert found["genuine_mean"].n == len(scores.genuine)
    assert found["impostor_std"].n == len(scores.impostor)
    assert found["eer"].n == len(scores.genuine) + len(scores.impostor)


def test_scores_of_a_person_move_together():
    """The genuine mean's interval is that of people, not of scores: ten equal scores each add nothing."""
    people, random = 200, np.random.default_rng(0)
    pairs = np.array([(a, a + 1) for a in range(people - 1)])
    own = random.normal(0.3, 0.1, people)
    impostor = np.zeros(len(pairs))
    once, tenfold = (
        estimates(PairScores(np.repeat(own, k), np.full(people, k), impostor, pairs, np.ones(199, int)))
        for k in (1, 10)
    )
    assert tenfold["genuine_mean"][1:3] == pytest.approx(once["genuine_mean"][1:3], abs=1e-12)
    width = once["genuine_mean"].high - once["genuine_mean"].low
    assert width == pytest.approx(2 * 1.96 * own.std() / math.sqrt(people), rel=0.1)


def test_the_interval_covers_what_another_sample_of_people_would_show():
    """Of the EERs of 60 samples of people most lie in the interval of one sample, widened by √2."""
    rates = [measures(s.genuine, s.impostor)["eer"] for s in (drawn_scores(30, seed) for seed in range(60))]
    own = estimates(drawn_scores(30, 0), replicates=500)["eer"]
    assert own.high - own.low == pytest.approx(2 * 1.96 * np.std(rates), rel=0.5)


def test_two_people_and_too_few_impostors():
    two = PairScores(
        np.array([0.5, 0.7]), np.array([1, 1]), np.array([0.1]), np.array([[0, 1]]), np.array([1])
    )
    found = estimates(two, replicates=100)
    assert found["eer"] == pytest.approx((0, 0, 0, 3))
    assert math.isnan(found["fmr100"].value) and math.isnan(found["fmr100"].low)


def test_order_and_seed():
    scores = drawn_scores(20)
    assert estimates(scores, seed=3, replicates=50) == estimates(scores, seed=3, replicates=50)
    assert estimates(scores, seed=3, replicates=50)["eer"] != estimates(scores, seed=4, replicates=50)["eer"]
