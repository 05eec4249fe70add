"""Score records: what a recognizer says of every segment, from which all its numbers are derived."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from facetory.pipeline.files import FacetoryError, open_tensors, read_metadata, write_tensors


@dataclass(frozen=True)
class Records:
    """Log-probabilities of the validation split (n_v, K), clean, and of the test split (C, n_t, K), float32.

    ``test`` has one entry for each of ``conditions``.  Labels are int64 of the K ``classes``, and
    ``test_sentiment`` (n_t,) float32 is the annotators' mean in −3 to 3.  Segments are in the split's order.
    ``spec`` is the `ScoreSpec` that was scored.
    """

    validation: np.ndarray
    test: np.ndarray
    validation_labels: np.ndarray
    test_labels: np.ndarray
    test_sentiment: np.ndarray
    validation_segments: list[str]
    validation_videos: list[str]
    test_segments: list[str]
    test_videos: list[str]
    conditions: list[str]
    classes: list[str]
    task: str
    spec: dict[str, Any] = field(default_factory=dict)

    def under(self, condition: str) -> np.ndarray:
        """The test split's log-probabilities under a condition, (n_t, K)."""
        if condition not in self.conditions:
            raise FacetoryError(
                f"{self.task}: no test log-probabilities under {condition!r}; there are "
                f"{', '.join(self.conditions)}. Score the recognizer under that condition too."
            )
        return self.test[self.conditions.index(condition)]


TENSORS = ("validation", "test", "validation_labels", "test_labels", "test_sentiment")
METADATA = tuple(f.name for f in fields(Records) if f.name not in TENSORS)


def write_records(path: Path | str, records: Records) -> None:
    """Write records as safetensors, atomically; shapes that do not fit and log-probabilities that are not
    finite are a `FacetoryError`."""
    _check(path, records)
    tensors = {name: getattr(records, name) for name in TENSORS}
    write_tensors(path, tensors, {name: getattr(records, name) for name in METADATA})


def read_records(path: Path | str) -> Records:
    """Read records; a missing, truncated or foreign file is a `FacetoryError` that names it."""
    about = read_metadata(path)
    with open_tensors(path) as handle:
        if not {*TENSORS} <= set(handle.keys()) or not {*METADATA} <= about.keys():
            raise FacetoryError(f"{path}: not a recognizer's score records. Delete it and score again.")
        tensors = {name: handle.get_tensor(name) for name in TENSORS}
    records = Records(**tensors, **{name: about[name] for name in METADATA})
    _check(path, records)
    return records


def _check(path: Path | str, records: Records) -> None:
    validation, test, k = len(records.validation_segments), len(records.test_segments), len(records.classes)
    shapes: dict[str, tuple[int, ...]] = {
        "validation": (validation, k),
        "test": (len(records.conditions), test, k),
        "validation_labels": (validation,),
        "test_labels": (test,),
        "test_sentiment": (test,),
        "validation_videos": (validation,),
        "test_videos": (test,),
    }
    for name, shape in shapes.items():
        if (found := np.shape(getattr(records, name))) != shape:
            raise FacetoryError(
                f"{path}: {name} has the shape {found} where {shape} belongs. Delete it and score again."
            )
    for name, segments in (("validation", records.validation_segments), ("test", records.test_segments)):
        bad = np.argwhere(~np.isfinite(getattr(records, name)))
        if len(bad):
            raise FacetoryError(
                f"{path}: {len(bad)} log-probabilities of the {name} split are not finite, the first at "
                f"segment {segments[bad[0][-2]]}. The recognizer diverged: train it again, or with precision "
                "'no'."
            )
        labels = getattr(records, f"{name}_labels")
        if len(labels) and (labels.min() < 0 or labels.max() >= k):
            raise FacetoryError(
                f"{path}: {name}_labels hold {labels.min()} to {labels.max()}, outside the {k} classes. "
                "Delete it and score again."
            )
