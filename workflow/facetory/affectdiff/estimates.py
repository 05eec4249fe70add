"""From the score records of a row's seeds to the numbers of its cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facetory.affectdiff.records import Records, read_records
from facetory.affectdiff.spec import CLASSES, CONDITIONS, RecognizerSpec
from facetory.metrics import scores, sentiment
from facetory.metrics.bootstrap import Estimate, clusters, weighted_bootstrap
from facetory.pipeline.files import FacetoryError, read_json, sha256_of
from facetory.pipeline.suggest import unknown


class Measure(NamedTuple):
    """What a metric's name stands for.

    ``of`` makes the metric from the classes' names; ``values`` says what it is given besides weights.
    """

    of: Callable[[Sequence[str]], scores.Metric]
    split: str = "test"
    condition: str = "clean"
    minus_clean: bool = False
    values: str = "log_probabilities"


def _plain(metric: scores.Metric, **about: Any) -> Measure:
    return Measure(lambda classes: metric, **about)


def _of_class(make: Callable[[int], scores.Metric], name: str) -> Measure:
    return Measure(lambda classes: make(list(classes).index(name)))


def _sentiment(metric: scores.Metric) -> Measure:
    return _plain(metric, values="sentiment")


NAMES = [name for classes in CLASSES.values() for name in classes]
METRICS: dict[str, Measure] = {
    "val_balanced_accuracy": _plain(scores.balanced_accuracy, split="validation"),
    "val_batch_balanced_accuracy": _plain(scores.batch_balanced_accuracy(64), split="validation"),
    "test_balanced_accuracy": _plain(scores.balanced_accuracy),
    "accuracy": _plain(scores.accuracy),
    "macro_f1": _plain(scores.macro_f1),
    "auroc": _plain(scores.auroc),
    "detected": _plain(scores.detected),
    **{f"f1 {name}": _of_class(scores.class_f1, name) for name in NAMES},
    **{f"recall {name}": _of_class(scores.class_recall, name) for name in NAMES},
    **{f"robust {c}": _plain(scores.macro_f1, condition=c) for c in CONDITIONS},
    **{f"robust_delta {c}": _plain(scores.macro_f1, condition=c, minus_clean=True) for c in CONDITIONS[1:]},
    **{f"robust_balanced {c}": _plain(scores.balanced_accuracy, condition=c) for c in CONDITIONS},
    "acc7": _sentiment(sentiment.rounded_accuracy(3)),
    "acc5": _sentiment(sentiment.rounded_accuracy(2)),
    "acc2_nonneg": _sentiment(sentiment.non_negative_accuracy),
    "acc2_pos": _sentiment(sentiment.positive_accuracy),
    "mae": _sentiment(sentiment.mean_absolute_error),
    "pearson": _sentiment(sentiment.pearson),
}
"""Names of what can be estimated.

``val_batch_balanced_accuracy`` is what the released code calls balanced accuracy: the mean of torchmetrics'
macro recall over consecutive batches of 64 of the validation split, weighted by the batches' sizes
(`scores.batch_balanced_accuracy`).  ``robust`` and ``robust_balanced`` are macro F1 and balanced accuracy
under a condition, ``robust_delta`` the paired difference of macro F1 from the clean split.
"""


def estimate(metric: str, records: Sequence[Records], seed: int = 0) -> Estimate:
    """A metric's mean over the records of a row's seeds; its interval resamples videos.

    `FacetoryError`: an unknown metric, one that the task or the records have not, or records of different
    segments.
    """
    measure = _known(metric, records)
    _same_segments(metric, records, measure)
    return weighted_bootstrap(
        _statistic(measure, records), _groups(records[0], measure), seed, scores.REPLICATES
    )


def difference(metric: str, a: Sequence[Records], b: Sequence[Records], seed: int = 0) -> Estimate:
    """A metric on the records a minus that on b, of the same segments, under the same resamples."""
    measure = _known(metric, [*a, *b])
    _same_segments(metric, [*a, *b], measure)
    first, second = _statistic(measure, a), _statistic(measure, b)
    return weighted_bootstrap(lambda w: first(w) - second(w), _groups(a[0], measure), seed, scores.REPLICATES)


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
    expected = read_json(path.with_name("manifest.json"))["outputs"][path.name]
    if sha256_of(path) != expected:
        raise FacetoryError(
            f"{path}: differs from the hash in its manifest. Delete {path.parent} and run its target again."
        )
    return read_records(path)


def _known(metric: str, records: Sequence[Records]) -> Measure:
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS, "Affect-Diff's scores")
    if not records:
        raise FacetoryError(f"{metric}: there are no score records. Score the row's recognizers first.")
    measure, task = METRICS[metric], records[0].task
    _, _, name = metric.partition(" ")
    wrong = name in NAMES and name not in records[0].classes
    wrong |= measure.values == "sentiment" and task == "emotion"
    wrong |= metric in ("acc7", "acc5") and task == "sentiment2"
    if wrong or len({r.task for r in records}) > 1:
        tasks = ", ".join(sorted({r.task for r in records}))
        raise FacetoryError(f"{metric}: means nothing for {tasks}. Ask for it in a table of another task.")
    return measure


def _same_segments(metric: str, records: Sequence[Records], measure: Measure) -> None:
    first, *others = (getattr(r, f"{measure.split}_segments") for r in records)
    if any(other != first for other in others):
        raise FacetoryError(
            f"{metric}: the runs' {measure.split} splits hold different segments, so they cannot be averaged "
            "or paired. Compare runs of one alignment, split and labelling rule."
        )


def _groups(records: Records, measure: Measure) -> list[str]:
    return clusters(
        getattr(records, f"{measure.split}_videos"), getattr(records, f"{measure.split}_segments")
    )


def _statistic(measure: Measure, records: Sequence[Records]) -> Callable[[np.ndarray], np.ndarray]:
    """The measure as a statistic of `weighted_bootstrap`."""
    metric = measure.of(records[0].classes)
    under = partial(_mean, measure, metric, records)
    value = under(measure.condition)
    if not measure.minus_clean:
        return value
    clean = under("clean")
    return lambda weights: value(weights) - clean(weights)


def _mean(
    measure: Measure, metric: scores.Metric, records: Sequence[Records], condition: str
) -> Callable[[np.ndarray], np.ndarray]:
    if measure.split == "validation":
        given = np.stack([r.validation for r in records])
        return scores.mean_over_runs(metric, given, np.stack([r.validation_labels for r in records]))
    given = np.stack([r.under(condition) for r in records])
    if measure.values == "sentiment":
        values = sentiment.class_values(given.shape[2])[given.argmax(2)]
        return scores.mean_over_runs(metric, values, np.stack([r.test_sentiment for r in records]))
    return scores.mean_over_runs(metric, given, np.stack([r.test_labels for r in records]))
