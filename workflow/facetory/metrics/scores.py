"""Exact scores of a classifier on a whole split, weighted by sample, with a bootstrap over clusters.

A metric takes log-probabilities (n, K), labels (n,) and weights (R, n) to R values, and agrees with
scikit-learn's of those ``sample_weight``: a replicate of the bootstrap is a weighting of the samples by how
often their cluster was drawn.  What is averaged over classes:

- `balanced_accuracy` and `auroc` leave out classes that do not occur (or, for AUROC, that alone occur);
- `macro_f1` is over all K classes, and one that neither occurs nor is predicted has F1 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from facetory.metrics.bootstrap import Estimate, weighted_bootstrap

Metric = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From log-probabilities (n, K), labels (n,) and weights (R, n) to values (R,), NaN where undefined."""

REPLICATES = 1000


def estimate(
    metric: Metric,
    log_probs: np.ndarray,
    labels: np.ndarray,
    groups: Sequence[str],
    seed: int = 0,
    replicates: int = REPLICATES,
) -> Estimate:
    """The mean of a metric over S runs, and its percentile interval over resampled clusters.

    log_probs: (S, n, K); labels: (n,), or (S, n) where they differ by run; groups: n cluster names.  The
    interval is that of the runs' mean under the same resamples: it tells of other videos, not of other seeds.
    """
    return weighted_bootstrap(mean_over_runs(metric, log_probs, labels), groups, seed, replicates)


def paired(
    metric: Metric,
    a: np.ndarray,
    b: np.ndarray,
    labels: np.ndarray,
    groups: Sequence[str],
    seed: int = 0,
    replicates: int = REPLICATES,
) -> Estimate:
    """The metric's mean over the runs a minus that over the runs b, (S, n, K) each, of the same n samples."""
    first, second = (mean_over_runs(metric, runs, labels) for runs in (a, b))
    return weighted_bootstrap(lambda w: first(w) - second(w), groups, seed, replicates)


def mean_over_runs(
    metric: Metric, log_probs: np.ndarray, labels: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """The mean of a metric over S runs, as a statistic of weights (R, n) for `weighted_bootstrap`."""
    of_run = np.broadcast_to(labels, np.shape(log_probs)[:2])

    def mean(weights: np.ndarray) -> np.ndarray:
        return np.mean([metric(*run, weights) for run in zip(log_probs, of_run, strict=True)], axis=0)

    return mean


def confusions(log_probs: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted confusion matrices (R, K, K): rows are true classes, columns the most probable ones."""
    k = log_probs.shape[1]
    cell = np.eye(k * k)[labels * k + log_probs.argmax(1)]
    return (weights @ cell).reshape(len(weights), k, k)


def recalls(log_probs: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Recalls (R, K), NaN where a class does not occur."""
    counts = confusions(log_probs, labels, weights)
    return _ratio(np.einsum("rkk->rk", counts), counts.sum(2), np.nan)


def f1s(log_probs: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """F1 of every class (R, K), 2 TP / (2 TP + FP + FN), 0 where a class neither occurs nor is predicted."""
    counts = confusions(log_probs, labels, weights)
    return _ratio(2 * np.einsum("rkk->rk", counts), counts.sum(1) + counts.sum(2), 0.0)


def balanced_accuracy(log_probs: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean recall over the classes that occur."""
    return _mean_of_known(recalls(log_probs, labels, weights))


def accuracy(log_probs: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The share of samples whose most probable class is theirs."""
    return weights @ (log_probs.argmax(1) == labels) / weights.sum(1)


def macro_f1(log_probs: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean F1 over all K classes."""
    return f1s(log_probs, labels, weights).mean(1)


def detected(log_probs: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How many classes have an F1 above 0."""
    return (f1s(log_probs, labels, weights) > 0).sum(1).astype(float)


def class_f1(of: int) -> Metric:
    """The F1 of one class."""
    return lambda log_probs, labels, weights: f1s(log_probs, labels, weights)[:, of]


def class_recall(of: int) -> Metric:
    """The recall of one class, NaN where it does not occur."""
    return lambda log_probs, labels, weights: recalls(log_probs, labels, weights)[:, of]


def auroc(log_probs: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """One-vs-rest area under the ROC curve, the mean over the classes that occur beside others."""
    by_class = [area(log_probs[:, k], labels == k, weights) for k in range(log_probs.shape[1])]
    return _mean_of_known(np.stack(by_class, axis=1))


def area(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted share of pairs of a positive and a negative sample that scores (n,) order rightly, (R,).

    Ties count half.  The negatives are sorted once; the weight below each positive is a cumulative sum.
    """
    by_sample = np.ascontiguousarray(weights.T)
    negatives = np.flatnonzero(~positive)[np.argsort(scores[~positive], kind="stable")]
    below = np.zeros((len(negatives) + 1, len(weights)))
    np.cumsum(by_sample[negatives], axis=0, out=below[1:])
    first, last = (np.searchsorted(scores[negatives], scores[positive], side) for side in ("left", "right"))
    own = by_sample[positive]
    won = np.einsum("pr,pr->r", own, below[first] + below[last]) / 2
    return _ratio(won, own.sum(0) * below[-1], np.nan)


def batch_balanced_accuracy(size: int = 64) -> Metric:
    """The released Affect-Diff code's "balanced accuracy": a mean over consecutive batches, by their weight.

    In each batch it is torchmetrics' ``MulticlassAccuracy(average="macro")``: classes that neither occur in
    the batch nor are predicted there are left out; one that is predicted but does not occur counts as 0.
    """

    def metric(log_probs: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
        total = np.zeros(len(weights))
        for first in range(0, len(labels), size):
            part = slice(first, first + size)
            counts = confusions(log_probs[part], labels[part], weights[:, part])
            seen = counts.sum(1) + counts.sum(2) > 0
            found = _ratio(np.einsum("rkk->rk", counts), counts.sum(2), 0.0)
            total += counts.sum((1, 2)) * _mean_of_known(np.where(seen, found, np.nan), 0.0)
        return total / weights.sum(1)

    return metric


def _ratio(over: np.ndarray, under: np.ndarray, otherwise: float) -> np.ndarray:
    return np.divide(over, under, out=np.full(under.shape, otherwise), where=under > 0)


def _mean_of_known(values: np.ndarray, otherwise: float = np.nan) -> np.ndarray:
    """Means of the rows' values that are not NaN."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0.0).sum(1), known.sum(1).astype(float), otherwise)
