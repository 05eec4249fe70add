import time

import numpy as np
import pytest
import torch
from facetory.metrics import scores
from facetory.metrics.bootstrap import _draw_counts, bootstrap, weighted_bootstrap
from facetory.pipeline.randomness import generator
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, recall_score, roc_auc_score
from torchmetrics.functional.classification import multiclass_accuracy


@st.composite
def splits(draw):
    """Log-probabilities in tenths (so that ties occur), labels and positive weights of a small split."""
    n, k = draw(st.integers(2, 30)), draw(st.integers(2, 6))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    log_probs = np.round(random.normal(size=(n, k)), 1)
    labels = random.integers(draw(st.integers(1, k)), size=n)
    return log_probs, labels, random.integers(1, 4, size=n).astype(float)


def sklearn_auroc(log_probs, labels, weights):
    classes = [k for k in range(log_probs.shape[1]) if 0 < (labels == k).sum() < len(labels)]
    areas = [roc_auc_score(labels == k, log_probs[:, k], sample_weight=weights) for k in classes]
    return np.mean(areas) if areas else np.nan


def sklearn_of(k):
    """Every metric as scikit-learn has it."""
    macro = {"labels": range(k), "average": "macro", "zero_division": 0}
    each = {"labels": range(k), "average": None, "zero_division": 0}
    said = lambda x: x.argmax(1)  # noqa: E731
    return {
        scores.balanced_accuracy: lambda x, y, w: balanced_accuracy_score(y, said(x), sample_weight=w),
        scores.accuracy: lambda x, y, w: accuracy_score(y, said(x), sample_weight=w),
        scores.macro_f1: lambda x, y, w: f1_score(y, said(x), sample_weight=w, **macro),
        scores.class_f1(k - 1): lambda x, y, w: f1_score(y, said(x), sample_weight=w, **each)[k - 1],
        scores.class_recall(0): lambda x, y, w: (
            recall_score(y, said(x), sample_weight=w, **each)[0] if (y == 0).any() else np.nan
        ),
        scores.detected: lambda x, y, w: (f1_score(y, said(x), sample_weight=w, **each) > 0).sum(),
        scores.auroc: sklearn_auroc,
    }


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
@settings(max_examples=60, deadline=None)
@given(splits())
def test_metrics_agree_with_scikit_learn_weighted_or_not(split):
    log_probs, labels, weights = split
    both = np.stack([np.ones_like(weights), weights])
    for metric, reference in sklearn_of(log_probs.shape[1]).items():
        expected = [reference(log_probs, labels, w) for w in both]
        np.testing.assert_allclose(metric(log_probs, labels, both), expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(splits())
def test_an_integer_weight_is_a_sample_repeated_and_zero_is_one_left_out(split):
    log_probs, labels, weights = split
    weights = weights - 1
    if not weights.any():
        return
    times = weights.astype(int)
    repeated = np.repeat(log_probs, times, axis=0), np.repeat(labels, times)
    for metric in (scores.balanced_accuracy, scores.macro_f1, scores.accuracy, scores.auroc):
        direct = metric(*repeated, np.ones((1, times.sum())))
        np.testing.assert_allclose(metric(log_probs, labels, weights[None]), direct, rtol=1e-12)


def test_by_hand():
    """Three of class 0 (two hit), one of class 1 (hit); class 2 does not occur and is predicted once."""
    labels, predicted = np.array([0, 0, 0, 1]), np.array([0, 0, 2, 1])
    log_probs, ones = np.log(np.eye(3)[predicted] * 0.8 + 0.1), np.ones((1, 4))
    assert scores.balanced_accuracy(log_probs, labels, ones) == pytest.approx((2 / 3 + 1) / 2)
    assert scores.macro_f1(log_probs, labels, ones) == pytest.approx((0.8 + 1 + 0) / 3)
    assert scores.detected(log_probs, labels, ones) == 2
    assert np.isnan(scores.class_recall(2)(log_probs, labels, ones)[0])
    assert scores.class_f1(2)(log_probs, labels, ones) == 0


def test_area_counts_ties_half():
    positive = np.array([True, True, False, False])
    tied = scores.area(np.array([1.0, 2.0, 1.0, 0.0]), positive, np.ones((1, 4)))
    assert tied == pytest.approx((0.5 + 1 + 1 + 1) / 4)
    assert np.isnan(scores.area(np.zeros(4), np.ones(4, bool), np.ones((1, 4)))[0])


def test_batches_are_scored_as_torchmetrics_scores_them():
    """Classes that a batch neither holds nor is told of are left out; batches count by their size."""
    random = np.random.default_rng(0)
    log_probs, labels = (
        random.normal(size=(150, 6)),
        random.choice(6, 150, p=[0.7, 0.2, 0.07, 0.01, 0.01, 0.01]),
    )
    log_probs[:, 4:] -= 9
    parts = [slice(i, i + 64) for i in (0, 64, 128)]
    of_batch = [
        multiclass_accuracy(
            torch.from_numpy(log_probs[p].argmax(1)),
            torch.from_numpy(labels[p]),
            num_classes=6,
            average="macro",
        ).item()
        for p in parts
    ]
    found = scores.batch_balanced_accuracy(64)(log_probs, labels, np.ones((1, 150)))
    assert found == pytest.approx(np.average(of_batch, weights=[64, 64, 22]), abs=1e-6)


def test_a_mean_over_batches_is_not_the_balanced_accuracy():
    """The first batch holds one class alone, always predicted: (1 + 1/2) / 2, where the whole has 1/2."""
    labels, always_first = np.array([0, 0, 0, 1]), np.tile([0.0, -1.0, -2.0], (4, 1))
    assert scores.batch_balanced_accuracy(2)(always_first, labels, np.ones((1, 4))) == 0.75
    assert scores.balanced_accuracy(always_first, labels, np.ones((1, 4))) == 0.5


def some_runs(seeds=3, n=80, k=4, videos=17, seed=0):
    random = np.random.default_rng(seed)
    labels = random.choice(k, n, p=[0.6, 0.25, 0.1, 0.05])
    log_probs = random.normal(size=(seeds, n, k)) + 1.5 * np.eye(k)[labels]
    return log_probs, labels, [f"video {i}" for i in random.integers(videos, size=n)]


@pytest.mark.parametrize(
    "metric", [scores.balanced_accuracy, scores.auroc, scores.batch_balanced_accuracy(16)]
)
def test_the_interval_is_that_of_a_plain_loop_over_resampled_videos(metric):
    log_probs, labels, groups = some_runs()
    names, member = np.unique(groups, return_inverse=True)
    counts = _draw_counts(generator(7, "bootstrap"), 200, len(names))
    means = [np.mean([metric(run, labels, c[member][None])[0] for run in log_probs]) for c in counts]
    found = scores.estimate(metric, log_probs, labels, groups, seed=7, replicates=200)
    whole = [metric(run, labels, np.ones((1, len(labels))))[0] for run in log_probs]
    assert found.value == pytest.approx(np.mean(whole)) and found.n == 80
    np.testing.assert_allclose([found.low, found.high], np.quantile(means, [0.025, 0.975]), rtol=1e-12)


def test_sums_and_weights_draw_the_same_resamples():
    log_probs, labels, groups = some_runs(seeds=1)
    hits = (log_probs[0].argmax(1) == labels).astype(float)
    summands = np.stack([hits, np.ones(80)], axis=1)
    of_sums = bootstrap(summands, groups, lambda s: s[..., 0] / s[..., 1], 3, 500)
    of_weights = weighted_bootstrap(lambda w: w @ hits / w.sum(1), groups, 3, 500)
    np.testing.assert_allclose(of_sums, of_weights, rtol=1e-12)


def test_a_paired_difference_of_the_same_runs_is_nothing_and_of_better_runs_is_sure():
    log_probs, labels, groups = some_runs()
    same = scores.paired(scores.macro_f1, log_probs, log_probs, labels, groups)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    better = log_probs + 3 * np.eye(4)[labels]
    gain = scores.paired(scores.accuracy, better, log_probs, labels, groups)
    alone = [scores.estimate(scores.accuracy, runs, labels, groups).value for runs in (better, log_probs)]
    assert gain.value == pytest.approx(alone[0] - alone[1]) and gain.low > 0


def test_labels_may_differ_by_run():
    log_probs, labels, groups = some_runs(seeds=2)
    other = (labels + 1) % 4
    both = scores.estimate(scores.accuracy, log_probs, np.stack([labels, other]), groups)
    one = [
        scores.estimate(scores.accuracy, log_probs[i : i + 1], y, groups).value
        for i, y in enumerate((labels, other))
    ]
    assert both.value == pytest.approx(np.mean(one))


def test_one_video_gives_no_interval():
    log_probs, labels, _ = some_runs()
    found = scores.estimate(scores.auroc, log_probs, labels, ["video a"] * 80)
    assert np.isfinite(found.value) and np.isnan(found.low) and np.isnan(found.high)


def test_parts_of_the_replicates_do_not_change_the_interval(monkeypatch):
    from facetory.metrics import bootstrap as module

    log_probs, labels, groups = some_runs()
    whole = scores.estimate(scores.auroc, log_probs, labels, groups, replicates=100)
    monkeypatch.setattr(module, "DRAWS_AT_ONCE", 80 * 7)
    np.testing.assert_allclose(
        whole, scores.estimate(scores.auroc, log_probs, labels, groups, replicates=100)
    )


def test_a_thousand_replicates_of_ten_runs_take_well_under_a_second():
    log_probs, labels, groups = some_runs(seeds=10, n=494, videos=494)
    for metric in (scores.balanced_accuracy, scores.macro_f1, scores.auroc):
        started = time.process_time()
        scores.estimate(metric, log_probs, labels, groups)
        assert time.process_time() - started < 1
