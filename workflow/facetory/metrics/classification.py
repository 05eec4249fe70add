"""Scores of a classifier on arrays of labels and predictions."""

from __future__ import annotations

import numpy as np


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Counts, shape (classes, classes), int64: rows are true classes, columns predicted ones."""
    from sklearn.metrics import confusion_matrix as count

    return count(labels, predictions, labels=np.arange(classes)).astype(np.int64)


def row_normalised(confusion: np.ndarray) -> np.ndarray:
    """Each row of a confusion matrix as fractions; rows of classes that do not occur are NaN."""
    totals = confusion.sum(axis=1, keepdims=True).astype(float)
    return np.divide(confusion, totals, out=np.full(confusion.shape, np.nan), where=totals > 0)


def accuracy(confusion: np.ndarray) -> float:
    """Fraction of samples on the diagonal."""
    return float(np.trace(confusion) / confusion.sum())


def mean_class_accuracy(confusion: np.ndarray) -> float:
    """Mean of the recalls of the classes that occur (balanced accuracy)."""
    return float(np.nanmean(np.diag(row_normalised(confusion))))
