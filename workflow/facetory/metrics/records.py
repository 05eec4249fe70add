"""Evaluation records: the error of every sample, timestep and class, from which all numbers are derived."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from facetory.pipeline.files import FacetoryError, open_tensors, read_metadata, write_tensors
from facetory.pipeline.sampling import balanced


@dataclass(frozen=True)
class Records:
    """errors (n, T, K) float32; timesteps (T,) int64, sorted, counting from 0; labels (n,) int64.

    A diffusion classifier's errors are noise-prediction errors; a discriminative one's are −log p(c|x), under
    the one timestep 0.  The least mean error decides either way.
    ``sample_ids`` and ``persons`` have n entries ('' for an unknown person), ``classes`` K.  ``slot``,
    ``dataset`` and ``spec`` say what was evaluated.  ``extra`` (n, T, 2) float32, where it was asked for:
    errors under the non-class and the null prompt.
    """

    errors: np.ndarray
    timesteps: np.ndarray
    labels: np.ndarray
    sample_ids: list[str]
    persons: list[str]
    classes: list[str]
    slot: str = ""
    dataset: str = ""
    spec: dict[str, Any] = field(default_factory=dict)
    extra: np.ndarray | None = None


TENSORS = ("errors", "timesteps", "labels")
METADATA = ("sample_ids", "persons", "classes", "slot", "dataset", "spec")


def part_of(records: Records, images_per_class: int | None) -> Records:
    """The records of a balanced part of the samples (`sampling.balanced`), or all of them for None."""
    if images_per_class is None:
        return records
    kept = balanced(records.labels, records.sample_ids, images_per_class)
    return replace(
        records,
        errors=records.errors[kept],
        labels=records.labels[kept],
        sample_ids=[records.sample_ids[i] for i in kept],
        persons=[records.persons[i] for i in kept],
        extra=None if records.extra is None else records.extra[kept],
    )


def write_records(path: Path | str, records: Records) -> None:
    """Write records as safetensors, atomically; errors that are not finite are a `FacetoryError`."""
    extra = {} if records.extra is None else {"extra": np.ascontiguousarray(records.extra)}
    bad = np.argwhere(~np.isfinite(np.concatenate([records.errors, *extra.values()], axis=2)))
    if len(bad):
        sample, timestep, _ = bad[0]
        raise FacetoryError(
            f"{path}: {len(bad)} noise-prediction errors are not finite, the first at sample "
            f"{records.sample_ids[sample]}, timestep {records.timesteps[timestep]}. The model diverged, or "
            "the evaluation's precision is too narrow: evaluate with precision 'no', or train it again."
        )
    tensors = {name: np.ascontiguousarray(getattr(records, name)) for name in TENSORS}
    write_tensors(path, tensors | extra, {name: getattr(records, name) for name in METADATA})


def read_records(path: Path | str) -> Records:
    """Read records; a missing, truncated or foreign file is a `FacetoryError` that names it."""
    about = read_metadata(path)
    with open_tensors(path) as handle:
        held = set(handle.keys())
        if not {*TENSORS} <= held or not {*METADATA} <= about.keys():
            raise FacetoryError(f"{path}: not an evaluation's records. Delete it and evaluate again.")
        tensors = {name: handle.get_tensor(name) for name in (*TENSORS, *(held & {"extra"}))}
    if any(tensors[name].shape[:2] != tensors["errors"].shape[:2] for name in held & {"extra"}):
        raise FacetoryError(f"{path}: its tensors do not belong together. Delete it and evaluate again.")
    return Records(**tensors, **{name: about[name] for name in METADATA})
