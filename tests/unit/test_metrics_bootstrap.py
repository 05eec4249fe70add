import itertools
import time

import numpy as np
import pytest
from facetory.metrics.bootstrap import (
    _draw_counts,
    bootstrap,
    clusters,
    mean_estimate,
    mean_recall_estimate,
    share_estimate,
    wilson,
)
from facetory.pipeline.randomness import generator
from sklearn.metrics import recall_score


def each_alone(count):
    return clusters([""] * count, [f"s{i}" for i in range(count)])


def test_interval_of_a_proportion_agrees_with_the_normal_approximation():
    scores = np.arange(3000) % 4 != 0
    estimate = mean_estimate(scores, each_alone(3000))
    half = 1.96 * np.sqrt(0.75 * 0.25 / 3000)
    assert estimate.value == 0.75 and estimate.n == 3000
    assert estimate.low == pytest.approx(0.75 - half, abs=0.0015)
    assert estimate.high == pytest.approx(0.75 + half, abs=0.0015)


def test_quantiles_are_those_of_all_possible_resamples():
    scores = np.array([0.0, 1.0, 3.0, 8.0])
    all_means = [np.mean(drawn) for drawn in itertools.product(scores, repeat=4)]
    for level in (0.5, 0.8):
        estimate = mean_estimate(scores, each_alone(4), replicates=60_000, level=level)
        tail = (1 - level) / 2
        expected = np.quantile(all_means, [tail, 1 - tail])
        np.testing.assert_allclose([estimate.low, estimate.high], expected, atol=0.26)


def test_replicates_are_the_ones_a_plain_loop_makes():
    """The matrix product equals drawing people with replacement and averaging their samples."""
    random = np.random.default_rng(3)
    scores = random.normal(size=40)
    persons = [f"p{i}" for i in random.integers(9, size=40)]
    names = sorted(set(persons))
    counts = _draw_counts(generator(5, "bootstrap"), 300, len(names))
    means = []
    for replicate in counts.astype(int):
        drawn = [name for name, times in zip(names, replicate, strict=True) for _ in range(times)]
        samples = [score for name in drawn for score, p in zip(scores, persons, strict=True) if p == name]
        means.append(np.mean(samples))
    estimate = mean_estimate(scores, clusters(persons, [""] * 40), seed=5, replicates=300)
    np.testing.assert_allclose([estimate.low, estimate.high], np.quantile(means, [0.025, 0.975]), rtol=1e-12)


def test_counts_draw_every_cluster_equally_often():
    counts = _draw_counts(generator(0, "bootstrap"), 4000, 25)
    assert (counts.sum(axis=1) == 25).all()
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.08)
    np.testing.assert_allclose(counts.var(axis=0), 24 / 25, atol=0.12)


def test_clusters_widen_the_interval_of_correlated_samples():
    """Ten equal samples a person carry a tenth of the information: the interval is √10 times as wide."""
    people = np.repeat(np.arange(100) % 2, 10)
    persons = [f"p{i // 10}" for i in range(1000)]
    ids = [f"s{i}" for i in range(1000)]
    clustered = mean_estimate(people, clusters(persons, ids))
    alone = mean_estimate(people, clusters([""] * 1000, ids))
    ratio = (clustered.high - clustered.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(np.sqrt(10), rel=0.1)


def test_unknown_persons_are_not_one_cluster():
    assert len(set(clusters(["", "", "a", "a"], ["a", "b", "c", "d"]))) == 3


def test_order_of_samples_does_not_matter():
    random = np.random.default_rng(0)
    scores, persons = random.normal(size=60), [f"p{i % 13}" if i % 3 else "" for i in range(60)]
    ids, order = [f"s{i}" for i in range(60)], random.permutation(60)
    shuffled = clusters([persons[i] for i in order], [ids[i] for i in order])
    first = mean_estimate(scores, clusters(persons, ids))
    second = mean_estimate(scores[order], shuffled)
    np.testing.assert_allclose(first, second, rtol=1e-12)


def test_seeds_change_the_interval_and_nothing_else():
    scores = np.random.default_rng(0).normal(size=50)
    first, again, other = (mean_estimate(scores, each_alone(50), seed) for seed in (0, 0, 1))
    assert first == again
    assert first.value == other.value and first.low != other.low


def test_mean_recall_agrees_with_a_plain_loop():
    random = np.random.default_rng(1)
    labels = random.choice(3, size=60, p=[0.8, 0.17, 0.03])
    predictions = np.where(random.random(60) < 0.7, labels, random.integers(3, size=60))
    counts = _draw_counts(generator(0, "bootstrap"), 400, 60).astype(int)
    ids = [f"s{i:02d}" for i in range(60)]
    recalls = []
    for replicate in counts:
        drawn = np.repeat(np.arange(60), replicate)
        present = np.unique(labels[drawn])
        recalls.append(recall_score(labels[drawn], predictions[drawn], labels=present, average="macro"))
    estimate = mean_recall_estimate(labels, predictions, 3, clusters([""] * 60, ids), replicates=400)
    assert estimate.value == pytest.approx(
        recall_score(labels, predictions, labels=np.unique(labels), average="macro")
    )
    np.testing.assert_allclose(
        [estimate.low, estimate.high], np.quantile(recalls, [0.025, 0.975]), rtol=1e-12
    )


def test_one_person_gives_no_interval():
    estimate = mean_estimate(np.array([1.0, 0.0]), ["person a", "person a"])
    assert estimate.value == 0.5 and np.isnan(estimate.low) and np.isnan(estimate.high)


def test_chunks_do_not_change_the_number_of_replicates(monkeypatch):
    from facetory.metrics import bootstrap as module

    monkeypatch.setattr(module, "DRAWS_AT_ONCE", 70)
    seen = []
    bootstrap(np.ones((20, 1)), each_alone(20), lambda s: seen.append(s.shape) or s[..., 0], replicates=11)
    assert seen == [(1,), (11, 1)]


def test_two_thousand_replicates_of_raf_db_take_well_under_a_second():
    scores, groups = np.arange(3068) % 7 != 0, each_alone(3068)
    started = time.process_time()
    mean_estimate(scores, groups)
    assert time.process_time() - started < 0.8


def test_wilson_interval_against_published_values():
    """Newcombe, Statistics in Medicine 17 (1998), Table I, method 3."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@pytest.mark.parametrize(("hits", "bound"), [(np.zeros(24, bool), "high"), (np.ones(24, bool), "low")])
def test_a_share_of_none_or_all_has_an_interval_too(hits, bound):
    estimate = share_estimate(hits, each_alone(24))
    assert (estimate.low, estimate.high) == wilson(int(hits.sum()), 24)
    assert abs(getattr(estimate, bound) - estimate.value) > 0.1


def test_a_share_between_is_the_mean():
    hits = np.arange(24) % 3 == 0
    assert share_estimate(hits, each_alone(24)) == mean_estimate(hits, each_alone(24))
