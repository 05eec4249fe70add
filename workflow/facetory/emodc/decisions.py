"""From evaluation records to decisions, accuracies and their intervals; every table derives from these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from facetory.metrics import bootstrap, classification
from facetory.metrics.bootstrap import Estimate
from facetory.metrics.records import Records
from facetory.pipeline.files import FacetoryError

Timesteps = Sequence[int]


def mean_errors(records: Records, timesteps: Timesteps) -> np.ndarray:
    """Errors averaged over some of the recorded timesteps, float64 (n, K) (EmoDC, Eq. 8)."""
    columns = np.searchsorted(records.timesteps, timesteps)
    held = records.timesteps[np.minimum(columns, len(records.timesteps) - 1)] == timesteps
    if not len(timesteps) or not held.all():
        missing = np.asarray(timesteps)[~held].tolist()
        raise FacetoryError(
            f"records of {records.dataset or 'this evaluation'} hold {len(records.timesteps)} timesteps, "
            f"without {missing}. Add them to the evaluation's timesteps and evaluate again."
        )
    return records.errors[:, columns].mean(axis=1, dtype=np.float64)


def predictions(records: Records, timesteps: Timesteps) -> np.ndarray:
    """The class with the lowest mean error, (n,) int64; ties go to the class that comes first (Eq. 8)."""
    return mean_errors(records, timesteps).argmin(axis=1)


def correct(records: Records, timesteps: Timesteps) -> np.ndarray:
    """Whether each decision is right, float64 (n,) of 0 and 1."""
    return (predictions(records, timesteps) == records.labels).astype(float)


def contrast(records: Records, weights: Mapping[tuple[int, ...], float]) -> np.ndarray:
    """Weighted sum of the `correct` of several grids, per sample, float64 (n,).

    {grid: 1} scores an accuracy, {a: 1/2, b: 1/2} an average of two columns, {long: 1, short: -1} the gap
    between two evaluations.
    """
    terms = [weight * correct(records, timesteps) for timesteps, weight in weights.items()]
    return np.sum(terms, axis=0)


def _groups(records: Records) -> list[str]:
    return bootstrap.clusters(records.persons, records.sample_ids)


def accuracy(records: Records, *grids: tuple[int, ...], seed: int = 0) -> Estimate:
    """Accuracy (a fraction) on a grid, or its average over several, with a bootstrap interval over people."""
    scores = contrast(records, {timesteps: 1 / len(grids) for timesteps in grids})
    return bootstrap.mean_estimate(scores, _groups(records), seed)


def mean_class_accuracy(records: Records, timesteps: Timesteps, seed: int = 0) -> Estimate:
    """Mean of the recalls of the classes that occur, with a bootstrap interval over people."""
    predicted = predictions(records, timesteps)
    return bootstrap.mean_recall_estimate(
        records.labels, predicted, len(records.classes), _groups(records), seed
    )


def confusion(records: Records, timesteps: Timesteps) -> np.ndarray:
    """Confusion counts, (K, K) int64: rows are true classes."""
    predicted = predictions(records, timesteps)
    return classification.confusion_matrix(records.labels, predicted, len(records.classes))


def difference(
    first: Records,
    second: Records,
    weights: Mapping[tuple[int, ...], float],
    second_weights: Mapping[tuple[int, ...], float] | None = None,
    seed: int = 0,
) -> Estimate:
    """Contrast of ``first`` minus that of ``second``, paired by sample, with an interval over people.

    ``second_weights`` serves where the two look at other timesteps (1-step).  Records of different samples
    are a `FacetoryError`; their order may differ.
    """
    if set(first.sample_ids) != set(second.sample_ids):
        apart = len(set(first.sample_ids) ^ set(second.sample_ids))
        raise FacetoryError(
            f"a paired difference needs the same samples: {apart} are in one evaluation only. "
            "Evaluate both on the same split and limit."
        )
    place = {sample_id: i for i, sample_id in enumerate(second.sample_ids)}
    order = [place[sample_id] for sample_id in first.sample_ids]
    scores = contrast(first, weights) - contrast(second, second_weights or weights)[order]
    return bootstrap.mean_estimate(scores, _groups(first), seed)
