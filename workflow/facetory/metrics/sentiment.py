"""Scores of predicted sentiment against the annotators' mean, both on the scale from −3 to 3.

A metric takes predictions (n,), sentiment (n,) and weights (R, n) to R values, so `scores.estimate` and
`scores.paired` take it as they take any other, with predictions (S, n) in place of log-probabilities.  The
conventions are those of the MOSEI literature (thuiar/MMSA's metrics).
"""

from __future__ import annotations

import numpy as np

from facetory.metrics.scores import Metric


def class_values(classes: int) -> np.ndarray:
    """The sentiment that each class stands for: −3 to 3 for seven, −1 and 1 for two (as released)."""
    return np.linspace(-3.0, 3.0, 7) if classes == 7 else np.array([-1.0, 1.0])


def rounded_accuracy(limit: int) -> Metric:
    """Agreement after clipping to ± limit and rounding (halves to even): Acc-7 for 3, Acc-5 for 2."""

    def metric(predicted: np.ndarray, sentiment: np.ndarray, weights: np.ndarray) -> np.ndarray:
        said, true = (np.round(np.clip(values, -limit, limit)) for values in (predicted, sentiment))
        return weights @ (said == true) / weights.sum(1)

    return metric


def non_negative_accuracy(predicted: np.ndarray, sentiment: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Acc-2, non-negative against negative: a neutral segment counts as positive."""
    return weights @ ((predicted >= 0) == (sentiment >= 0)) / weights.sum(1)


def positive_accuracy(predicted: np.ndarray, sentiment: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Acc-2, positive against negative: segments of sentiment exactly 0 are left out; NaN without others.

    A prediction of 0 counts as negative.
    """
    weights = weights * (sentiment != 0)
    total = weights.sum(1)
    hits = weights @ ((predicted > 0) == (sentiment > 0))
    return np.divide(hits, total, out=np.full(len(weights), np.nan), where=total > 0)


def mean_absolute_error(predicted: np.ndarray, sentiment: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of |prediction − sentiment|."""
    return weights @ np.abs(predicted - sentiment) / weights.sum(1)


def pearson(predicted: np.ndarray, sentiment: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Pearson's correlation; NaN where the predictions or the sentiment of all drawn samples are equal."""
    total = weights.sum(1)
    x, y = (np.asarray(values, float) - np.mean(values) for values in (predicted, sentiment))
    mean_x, mean_y = weights @ x / total, weights @ y / total
    covariance = weights @ (x * y) / total - mean_x * mean_y
    spread = np.sqrt(
        np.maximum(weights @ x**2 / total - mean_x**2, 0) * np.maximum(weights @ y**2 / total - mean_y**2, 0)
    )
    known = _varies(x, weights) & _varies(y, weights) & (spread > 0)
    return np.divide(covariance, spread, out=np.full(len(weights), np.nan), where=known)


def _varies(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Whether a replicate (R,) holds two different values."""
    drawn = weights > 0
    return np.where(drawn, values, -np.inf).max(1) > np.where(drawn, values, np.inf).min(1)
