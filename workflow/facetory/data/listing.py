"""What every loader hands over: samples with their origin, oddities, and the files that name them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facetory.data.index import Odd, Sample
from facetory.pipeline.randomness import sample_keys, stream_key, uniform


class Found(NamedTuple):
    """A sample (its image as an absolute path) with the file and the row that name it ('' if none does)."""

    sample: Sample
    file: str
    row: int | str = ""


class Listing(NamedTuple):
    """A loader's result; ``sources`` are the label files whose hashes the manifest records."""

    found: list[Found]
    classes: tuple[str, ...]
    ledger: list[Odd]
    sources: list[Path]
    notes: dict[str, Any]


Choose = Callable[[list[Found]], list[Found]]


def chooser(dataset: str, limit: Mapping[str, int] | None, seed: int) -> Choose:
    """A function that keeps up to ``limit[split]`` samples of each class; splits without a limit stay whole.

    Which ones is a function of (seed, dataset, sample id) alone, so a smaller limit keeps a subset of what a
    larger one keeps.  The order of the samples stays.
    """

    def choose(found: list[Found]) -> list[Found]:
        kept: set[str] = set()
        for group in grouped(found).values():
            split = group[0].sample.split
            ids = [item.sample.sample_id for item in group]
            number = (limit or {}).get(split, len(ids))
            kept |= {ids[i] for i in ranking(ids, seed, "limit", dataset)[:number]}
        return [item for item in found if item.sample.sample_id in kept]

    return choose


def grouped(found: Sequence[Found]) -> dict[tuple[str, str], list[Found]]:
    """The samples by (split, label), in order."""
    groups: dict[tuple[str, str], list[Found]] = {}
    for item in found:
        groups.setdefault((item.sample.split, item.sample.label), []).append(item)
    return groups


def ranking(ids: list[str], seed: int, *purpose: str) -> list[int]:
    """Positions of the ids in a random order that depends on (seed, purpose, id) alone."""
    draws = uniform(stream_key(seed, "data", *purpose), sample_keys(ids), 0, 1)[:, 0]
    return [int(i) for i in np.argsort(draws, kind="stable")]
