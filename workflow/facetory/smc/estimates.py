"""What is estimated of edits, over the faces of all seeds: means with intervals, distances of sets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facetory.metrics.bootstrap import Estimate, clusters, mean_estimate, share_estimate
from facetory.metrics.frechet import frechet, half, split_frechet
from facetory.pipeline.files import open_tensors, read_metadata
from facetory.pipeline.intact import intact

NAN = float("nan")
FEWEST, MOST_JACKKNIFED = 4, 64
"""People that a split Fréchet distance needs; up to how many it is worth while to leave each out."""
Estimator = Callable[["Sequence[Stored]", "Sequence[Stored]"], Estimate]
"""The estimate of a metric from the measures and the edits of all seeds."""
PICTURES = ("sources", "reconstructions", "edited", "snapshots", "images")


class Stored(NamedTuple):
    """A safetensors file of a stage: its arrays by name and its metadata."""

    arrays: dict[str, np.ndarray]
    about: dict[str, Any]


@lru_cache(maxsize=64)
def stored(path: Path) -> Stored:
    """A stage's arrays, checked against the hash in its manifest; pictures are left out."""
    with open_tensors(intact(path)) as handle:
        arrays = {name: handle.get_tensor(name) for name in handle.keys() if name not in PICTURES}  # noqa: SIM118
    return Stored(arrays, read_metadata(path))


def measured_edits(manifests: Iterable[Path]) -> list[tuple[Stored, Stored]]:
    """The measures and the edits of a cell, a pair a seed, by their manifests in turn."""
    pairs = zip(*[iter(manifests)] * 2, strict=True)
    return [
        (stored(m.with_name("measures.safetensors")), stored(e.with_name("edits.safetensors")))
        for m, e in pairs
    ]


def _pooled(name: str) -> Estimator:
    """The mean of a measure over the faces of all seeds; faces without a value are left out."""

    def estimate(measures: Sequence[Stored], edits: Sequence[Stored]) -> Estimate:
        return mean(np.concatenate([m.arrays[name] for m in measures]), groups_of(measures))

    return estimate


def mean(values: np.ndarray, groups: Sequence[str], kept: np.ndarray | None = None) -> Estimate:
    """The mean of the values (n,) that are finite and ``kept``, NaN where there are none."""
    kept = np.isfinite(values) & (True if kept is None else kept)
    if not kept.any():
        return Estimate(NAN, NAN, NAN, 0)
    return mean_estimate(values[kept], [group for group, own in zip(groups, kept, strict=True) if own])


def groups_of(records: Sequence[Stored]) -> list[str]:
    """What is resampled together, for every face of all records."""
    return [group for r in records for group in clusters(r.about["persons"], r.about["sample_ids"])]


def _flip_rate(measures: Sequence[Stored], edits: Sequence[Stored]) -> Estimate:
    """Of the faces that the judge does not see as the target before, those that it does after."""
    flipped, eligible = (
        np.concatenate([m.arrays[name] for m in measures]).astype(bool) for name in ("flipped", "eligible")
    )
    if not eligible.any():
        return Estimate(NAN, NAN, NAN, 0)
    groups = [group for group, own in zip(groups_of(measures), eligible, strict=True) if own]
    return share_estimate(flipped[eligible], groups)


def _paired(values: Callable[[Stored, Stored], np.ndarray], eligible: bool = False) -> Estimator:
    """The mean difference of a value of each face between two edits of it, given alternately."""

    def estimate(measures: Sequence[Stored], edits: Sequence[Stored]) -> Estimate:
        found = [values(*pair).astype(float) for pair in zip(measures, edits, strict=True)]
        difference = np.concatenate(found[0::2]) - np.concatenate(found[1::2])
        kept = np.concatenate([m.arrays["eligible"] for m in measures[0::2]]).astype(bool)
        return mean(difference, groups_of(measures[0::2]), kept if eligible else None)

    return estimate


def _judge_score(which: str) -> Estimator:
    """The judge's probability of each face's target, on its edit or on its reconstruction."""

    def estimate(measures: Sequence[Stored], edits: Sequence[Stored]) -> Estimate:
        parts = [judged(*pair, which) for pair in zip(measures, edits, strict=True)]
        return mean(np.concatenate(parts), groups_of(measures))

    return estimate


def judged(measured: Stored, edited: Stored, which: str = "edited") -> np.ndarray:
    """The judge's probability of each face's target (n,), on its edit or on its source's reconstruction."""
    names = [edited.about["guide_classes"][i] for i in edited.arrays["targets"]]
    columns = [measured.about["judge_classes"].index(name) for name in names]
    return measured.arrays[f"judge_{which}"][np.arange(len(columns)), columns]


def _frechet(split: bool) -> Estimator:
    """The Fréchet distance of all sources and all edits, with a jackknife interval over people.

    Halves hold different people.  The jackknife leaves one person out at a time (Efron & Tibshirani 1993,
    chapter 11): the bootstrap's repeated faces would shrink the covariances.
    """

    def estimate(measures: Sequence[Stored], edits: Sequence[Stored]) -> Estimate:
        sources, edited = (
            np.concatenate([m.arrays[f"features_{name}"] for m in measures]) for name in ("source", "edited")
        )
        groups = np.array(groups_of(measures))
        people, member = np.unique(groups, return_inverse=True)
        first = half(len(people))[member]

        def distance(kept: np.ndarray) -> float:
            if split:
                return split_frechet(sources[kept], edited[kept], first=first[kept])
            return frechet(sources[kept], edited[kept])

        if len(people) < (FEWEST if split else 2):
            return Estimate(NAN, NAN, NAN, len(groups))
        value = distance(groups == groups)
        if not 2 * FEWEST <= len(people) <= MOST_JACKKNIFED:
            return Estimate(value, NAN, NAN, len(groups))
        without = np.array([distance(groups != one) for one in people])
        spread = 1.96 * math.sqrt((len(people) - 1) * float(without.var()))
        return Estimate(value, value - spread, value + spread, len(groups))

    return estimate


def _trace(name: str, at: Callable[[np.ndarray], np.ndarray]) -> Callable[..., Estimate]:
    """A number of every face's trace (n, S)."""

    def estimate(measures: Sequence[Stored], edits: Sequence[Stored]) -> Estimate:
        return mean(np.concatenate([at(e.arrays[name].astype(float)) for e in edits]), groups_of(edits))

    return estimate


def _seconds(measures: Sequence[Stored], edits: Sequence[Stored]) -> Estimate:
    faces = sum(len(e.about["sample_ids"]) for e in edits)
    return Estimate(sum(e.about["seconds"] for e in edits) / faces, NAN, NAN, faces)


def _cost(measures: Sequence[Stored], edits: Sequence[Stored]) -> Estimate:
    """10⁹ multiply-accumulates a face, of the rows that were really computed.

    Going back through what the guide sees is counted as twice the way there.
    """
    faces = sum(len(e.about["sample_ids"]) for e in edits)
    spent = 0
    for rows, costs in ((e.about["counts"], e.about["multiply_accumulates"]) for e in edits):
        spent += sum(rows[part] * cost for part, cost in costs.items())
        spent += 2 * rows.get("gradient", 0) * (costs["decode"] + costs["guide"])
    return Estimate(spent / faces / 1e9, NAN, NAN, faces)


def _mean_of_trace(trace: np.ndarray) -> np.ndarray:
    return trace.mean(1) if trace.shape[1] else np.full(len(trace), NAN)


def _end_of_trace(trace: np.ndarray) -> np.ndarray:
    return trace[:, -1] if trace.shape[1] else np.full(len(trace), NAN)


EDIT_METRICS: dict[str, Estimator] = {
    "emotion_score": _pooled("guide_target"),
    "judge_score": _judge_score("edited"),
    "judge_score reconstruction": _judge_score("source"),
    "judge_score minus": _paired(judged),
    "flip_rate": _flip_rate,
    "flip_rate minus": _paired(lambda measured, edited: measured.arrays["flipped"], eligible=True),
    "realism": _pooled("realism"),
    "identity": _pooled("identity"),
    "identity reconstruction": _pooled("identity_reconstruction"),
    "identity minus": _paired(lambda measured, edited: measured.arrays["identity"]),
    "distance": _pooled("distance"),
    "distance reconstruction": _pooled("distance_reconstruction"),
    "frechet": _frechet(split=False),
    "split_frechet": _frechet(split=True),
    "ess": _trace("ess", _mean_of_trace),
    "unique_ancestors": _trace("unique_roots", _end_of_trace),
    "seconds": _seconds,
    "cost": _cost,
}
