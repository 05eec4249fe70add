"""From the score records of a row's seeds to the numbers of its cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facetory.affectdiff.records import Records, read_records
from facetory.affectdiff.spec import CONDITIONS, RecognizerSpec
from facetory.metrics import scores, sentiment
from facetory.metrics.bootstrap import Estimate, clusters, weighted_bootstrap
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.intact import intact
from facetory.pipeline.suggest import unknown


class Measure(NamedTuple):
    """What a metric's name stands for: by default, a metric of the clean test split's log-probabilities.

    ``of`` is what follows the name, "class" (``metric`` is then made from its index) or "condition".
    """

    metric: Callable[..., Any]
    of: str = ""
    split: str = "test"
    minus_clean: bool = False
    sentiment: bool = False


METRICS: dict[str, Measure] = {
    "val_balanced_accuracy": Measure(scores.balanced_accuracy, split="validation"),
    "val_batch_balanced_accuracy": Measure(scores.batch_balanced_accuracy(64), split="validation"),
    "test_balanced_accuracy": Measure(scores.balanced_accuracy),
    "accuracy": Measure(scores.accuracy),
    "macro_f1": Measure(scores.macro_f1),
    "auroc": Measure(scores.auroc),
    "detected": Measure(scores.detected),
    "f1": Measure(scores.class_f1, of="class"),
    "recall": Measure(scores.class_recall, of="class"),
    "robust": Measure(scores.macro_f1, of="condition"),
    "robust_delta": Measure(scores.macro_f1, of="condition", minus_clean=True),
    "robust_balanced": Measure(scores.balanced_accuracy, of="condition"),
    "acc7": Measure(sentiment.rounded_accuracy(3), sentiment=True),
    "acc5": Measure(sentiment.rounded_accuracy(2), sentiment=True),
    "acc2_nonneg": Measure(sentiment.non_negative_accuracy, sentiment=True),
    "acc2_pos": Measure(sentiment.positive_accuracy, sentiment=True),
    "mae": Measure(sentiment.mean_absolute_error, sentiment=True),
    "pearson": Measure(sentiment.pearson, sentiment=True),
}
"""By the first word of a metric's name; a class or a condition follows it ("f1 Fear", "robust noise_0.5").

``val_batch_balanced_accuracy`` is what the released code calls balanced accuracy: the mean of torchmetrics'
macro recall over consecutive batches of 64 of the validation split, weighted by the batches' sizes
(`scores.batch_balanced_accuracy`).  ``robust`` and ``robust_balanced`` are macro F1 and balanced accuracy
under a condition, ``robust_delta`` the paired difference of macro F1 from the clean split.
"""


Score = tuple[float, str, Sequence[Records]]
"""A coefficient, a metric, and the records of a row's seeds."""


def estimate(metric: str, records: Sequence[Records], seed: int = 0) -> Estimate:
    """A metric's mean over the records of a row's seeds; its interval resamples videos.

    `FacetoryError`: an unknown metric, one that the task or the records have not, or records of different
    segments.
    """
    return _bootstrapped(metric, records, _statistic(metric, records), seed)


def difference(metric: str, a: Sequence[Records], b: Sequence[Records], seed: int = 0) -> Estimate:
    """A metric on the records a minus that on b, of the same segments, under the same resamples."""
    return combination([(1.0, metric, a), (-1.0, metric, b)], seed)


def combination(terms: Sequence[Score], seed: int = 0) -> Estimate:
    """Σ coefficient · metric on records, all of the same split and segments, under the same resamples."""
    records = [one for _, _, own in terms for one in own]
    return _bootstrapped(terms[0][1], records, _sum(terms), seed)


def value(terms: Sequence[Score]) -> float:
    """Σ coefficient · metric on records, without an interval."""
    segments = getattr(terms[0][2][0], f"{METRICS[terms[0][1].partition(' ')[0]].split}_segments")
    return float(_sum(terms)(np.ones((1, len(segments))))[0])


def _sum(terms: Sequence[Score]) -> Callable[[np.ndarray], np.ndarray]:
    parts = [(coefficient, _statistic(metric, records)) for coefficient, metric, records in terms]
    return lambda weights: np.sum([coefficient * part(weights) for coefficient, part in parts], axis=0)


def check_seeds(manifests: Iterable[dict[str, Any]]) -> None:
    """Refuse recognizers whose training logs are equal under different seeds: no two real trainings' are."""
    seen: dict[str, dict[str, Any]] = {}
    for about in manifests:
        if "log_digest" not in about:
            continue
        other = seen.setdefault(about["log_digest"], about)
        if other["seed"] != about["seed"]:
            first, second = (RecognizerSpec.model_validate(one["spec"]).id for one in (other, about))
            raise FacetoryError(
                f"{first} and {second} have different seeds and the same training log: the seed had no "
                "effect, or one is a copy of the other. Delete both folders and train them again."
            )


@lru_cache(maxsize=256)
def stored(path: Path) -> Records:
    """A score's records, checked against the hash in its manifest."""
    return read_records(intact(path))


def _bootstrapped(
    metric: str, records: Sequence[Records], statistic: Callable[[np.ndarray], np.ndarray], seed: int
) -> Estimate:
    """A statistic of the segments that all records share, resampled by video."""
    split = METRICS[metric.partition(" ")[0]].split
    segments, *others = (getattr(r, f"{split}_segments") for r in records)
    if any(other != segments for other in others):
        raise FacetoryError(
            f"{metric}: the runs' {split} splits hold different segments, so they cannot be averaged or "
            "paired. Compare runs of one alignment, split and labelling rule."
        )
    groups = clusters(getattr(records[0], f"{split}_videos"), segments)
    return weighted_bootstrap(statistic, groups, seed, scores.REPLICATES)


def _statistic(metric: str, records: Sequence[Records]) -> Callable[[np.ndarray], np.ndarray]:
    """A metric's mean over records as a statistic of `weighted_bootstrap`."""
    name, _, what = metric.partition(" ")
    if name not in METRICS:
        raise unknown("metric", name, METRICS, "Affect-Diff's scores")
    if not records:
        raise FacetoryError(f"{metric}: there are no score records. Score the row's recognizers first.")
    measure = METRICS[name]
    _check(metric, measure, what, records)
    of_class = measure.of == "class"
    exact = measure.metric(records[0].classes.index(what)) if of_class else measure.metric
    value = _mean(measure, exact, records, what if measure.of == "condition" else "clean")
    if not measure.minus_clean:
        return value
    clean = _mean(measure, exact, records, "clean")
    return lambda weights: value(weights) - clean(weights)


def _check(metric: str, measure: Measure, what: str, records: Sequence[Records]) -> None:
    """Refuse a class, a condition or a task that the metric has no meaning for."""
    tasks = {r.task for r in records}
    known = {"class": records[0].classes, "condition": CONDITIONS, "": ("",)}[measure.of]
    if what not in known:
        raise unknown(measure.of or "word after the metric", what, known, metric)
    if len(tasks) > 1 or (measure.sentiment and tasks == {"emotion"}):
        raise FacetoryError(
            f"{metric}: means nothing for {' and '.join(sorted(tasks))}. Ask for it of one task that has it."
        )


def _mean(
    measure: Measure, metric: scores.Metric, records: Sequence[Records], condition: str
) -> Callable[[np.ndarray], np.ndarray]:
    if measure.split == "validation":
        given = np.stack([r.validation for r in records])
        return scores.mean_over_runs(metric, given, np.stack([r.validation_labels for r in records]))
    given = np.stack([r.under(condition) for r in records])
    if measure.sentiment:
        values = sentiment.class_values(given.shape[2])[given.argmax(2)]
        return scores.mean_over_runs(metric, values, np.stack([r.test_sentiment for r in records]))
    return scores.mean_over_runs(metric, given, np.stack([r.test_labels for r in records]))
