"""Sums of recognisers' accuracies on the same benchmarks, under one bootstrap over people or pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from facetory.adaptdiff.cells import mean_of_benchmarks
from facetory.metrics.bootstrap import Estimate, weighted_bootstrap
from facetory.metrics.folds import protocol
from facetory.pipeline.files import open_tensors, read_json, read_metadata
from facetory.pipeline.intact import intact
from facetory.pipeline.registry import PlannedCell
from facetory.recognition.face_spec import BenchmarkSpec
from facetory.report.claims.pairing import Paired, Term
from facetory.report.measured import manifests_of, why_unmade

Accuracy = Callable[[np.ndarray], np.ndarray]
Examined = dict[str, list[Path]]
"""By benchmark, the folders of its verifications, one a seed."""


def combination(terms: Sequence[Term], root: Path | str) -> Paired | None:
    """Σ coefficient · accuracy as a fraction, each benchmark's protocol repeated on the same resamples.

    Over benchmarks the bounds are averaged, as their people overlap.  None where a cell is no accuracy (an
    error rate of faces, of which no record of single people is kept), or was measured on other benchmarks.
    """
    asked = [_examined(cell, Path(root)) for _, _, cell in terms]
    found = [examined for examined in asked if examined]
    if len(found) < len(asked) or len({tuple(sorted(examined)) for examined in found}) > 1:
        return None
    weights = [term.coefficient for term in terms]
    estimates, by_seed = [], []
    for benchmark in sorted(found[0]):
        folders = [examined[benchmark] for examined in found]
        seeds = {len(own) for own in folders}
        units, _ = _accuracy(folders[0][0])
        estimates.append(_bootstrapped(weights, folders, units))
        one = np.ones((1, len(units)))
        if len(seeds) == 1:
            own = [[float(_accuracy(folder)[1](one)[0]) for folder in seeds_] for seeds_ in folders]
            by_seed.append(np.array(weights) @ np.array(own))
    same = len({cell.seeds for _, _, cell in terms}) == 1 and len(by_seed) == len(estimates)
    seeds_of = tuple(float(x) for x in np.mean(by_seed, axis=0)) if same else ()
    return Paired(mean_of_benchmarks(estimates), seeds_of)


def _bootstrapped(weights: Sequence[float], folders: Sequence[Sequence[Path]], units: list[str]) -> Estimate:
    """The sum of accuracies, each a mean over its seeds, with its interval."""
    parts = [[_accuracy(folder)[1] for folder in own] for own in folders]

    def total(draws: np.ndarray) -> np.ndarray:
        means = [np.mean([part(draws) for part in own], axis=0) for own in parts]
        return np.tensordot(weights, means, axes=1)

    return weighted_bootstrap(total, units)


def _examined(cell: PlannedCell, root: Path) -> Examined | None:
    if cell.metric not in ("accuracy", "mean_accuracy") or cell.not_run or cell.kind != "measured":
        return None
    manifests = manifests_of(cell, root)
    if why_unmade(manifests):
        return None
    found: Examined = {}
    for path, about in manifests.items():
        if path.parent.parent.name == "verifications":
            found.setdefault(_benchmark(about), []).append(path.parent)
    return found


@lru_cache(maxsize=256)
def _accuracy(folder: Path) -> tuple[list[str], Accuracy]:
    """What a verification's pairs are resampled by, and its accuracy as a function of the draws."""
    with open_tensors(intact(folder / "records.safetensors")) as handle:
        distance, same, fold = (handle.get_tensor(name) for name in ("distance", "same", "fold"))
    benchmark = folder.parent.parent / "benchmarks" / _benchmark(read_json(folder / "manifest.json"))
    people = read_metadata(benchmark / "pairs.safetensors")["people"]
    return protocol(distance, same, fold, people)


def _benchmark(about: dict[str, Any]) -> str:
    """The folder's name of the benchmark that a verification is of."""
    return BenchmarkSpec.model_validate(about["spec"]["benchmark"]).id
