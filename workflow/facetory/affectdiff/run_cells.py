"""Cells about a run or its data: sizes, parameters, latency, the course of training."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facetory.affectdiff.spec import RecognizerSpec
from facetory.data.mosei.spec import MODALITIES
from facetory.metrics.bootstrap import Estimate
from facetory.pipeline.files import FacetoryError, read_json

NAN = float("nan")
Runs = Sequence[dict[str, Any]]
Measure = Callable[[str, Sequence[Path], Runs], Estimate]


def epochs_of(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A run's progress.jsonl: the numbers of each epoch's training, and of each epoch's validation."""
    path = folder / "progress.jsonl"
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise FacetoryError(f"{path}: cannot be read ({error}). Delete {folder} and train again.") from error
    numbers = [line for line in lines if "validation" not in line]
    return numbers, [{"step": line["step"], **line["validation"]} for line in lines if "validation" in line]


def _trained(paths: Sequence[Path]) -> list[Path]:
    """The folders of runs among a cell's manifests."""
    return [path.parent for path in paths if path.parent.parent.name == "recognizers"]


def _exactly(value: Any, n: int = 0) -> Estimate:
    """A number that no sample was drawn for, or that was counted in n."""
    return Estimate(float(value), NAN, NAN, n)


def _alignment(paths: Sequence[Path]) -> dict[str, Any]:
    return read_json(next(path for path in paths if path.parent.parent.name == "alignments"))


def _raw_segments(what: str, paths: Sequence[Path], runs: Runs) -> Estimate:
    return _exactly(_alignment(paths)["counts"]["segments"])


def _segments(what: str, paths: Sequence[Path], runs: Runs) -> Estimate:
    return _exactly(sum(runs[0]["data"]["sizes"].values()))


def _part(what: str, paths: Sequence[Path], runs: Runs) -> Estimate:
    return _exactly(runs[0]["data"]["sizes"][what])


def _width(what: Any, paths: Sequence[Path], runs: Runs) -> Estimate:
    return _exactly(RecognizerSpec.model_validate(runs[0]["spec"]).model.dims[MODALITIES.index(what)])


def _length(what: str, paths: Sequence[Path], runs: Runs) -> Estimate:
    return _exactly(RecognizerSpec.model_validate(runs[0]["spec"]).model.length)


def _classes(what: str, paths: Sequence[Path], runs: Runs) -> Estimate:
    return _exactly(len(runs[0]["data"]["class_counts"]["test"]))


def _majority(what: str, paths: Sequence[Path], runs: Runs) -> Estimate:
    """Share of the largest class of the test split, a fraction."""
    counts = runs[0]["data"]["class_counts"]["test"]
    return _exactly(max(counts) / sum(counts), sum(counts))


def _parameters(what: str, paths: Sequence[Path], runs: Runs) -> Estimate:
    return _exactly(runs[0]["parameters"]["total"] / 1e6)


def _trainable(what: str, paths: Sequence[Path], runs: Runs) -> Estimate:
    return _exactly(runs[0]["parameters"]["trainable"] / 1e6)


def _latency_of(batch: Callable[[Sequence[int]], int]) -> Measure:
    """Median milliseconds of the run's model at one of the timed batch sizes."""

    def measure(what: str, paths: Sequence[Path], runs: Runs) -> Estimate:
        timed = read_json(next(path for path in paths if path.parent.parent.name == "latencies"))
        own = timed["latencies"][_trained(paths)[0].name]
        size = batch([int(key) for key in own])
        found = own[str(size)]
        return _exactly(found["median_ms"])

    return measure


def _peak_epoch(what: str, paths: Sequence[Path], runs: Runs) -> Estimate:
    """The epoch whose weights were kept, mean over seeds, counted from 1."""
    peaks = [run["training"]["best_step"] / run["training"]["steps_per_epoch"] for run in runs]
    return _exactly(np.mean(peaks))


def _last_loss(what: str, paths: Sequence[Path], runs: Runs) -> Estimate:
    """A loss term's mean over the last epoch, or a curriculum weight in it; NaN where the run has none."""
    last = [run["training"]["last"].get(what, NAN) for run in runs]
    return _exactly(np.mean(last))


def _weight(what: str, paths: Sequence[Path], runs: Runs) -> Estimate:
    """A modality's mean importance on the validation split at the epoch whose weights were kept."""
    found = []
    for folder, run in zip(_trained(paths), runs, strict=True):
        _, validations = epochs_of(folder)
        best = next(line for line in validations if line["step"] == run["training"]["best_step"])
        found.append(best.get(f"weight_{what}", NAN))
    return _exactly(np.mean(found))


def _trajectory(what: str, paths: Sequence[Path], runs: Runs) -> Estimate:
    """Largest difference of validation losses from the other run's, over seeds and epochs (0: the same)."""
    losses = [[line["loss"] for line in epochs_of(folder)[1]] for folder in _trained(paths)]
    pairs = zip(losses[0::2], losses[1::2], strict=True)
    return _exactly(max(abs(a - b) for own, other in pairs for a, b in zip(own, other, strict=False)))


RUN_METRICS: dict[str, Measure] = {
    "raw_segments": _raw_segments,
    "segments": _segments,
    "part": _part,
    "width": _width,
    "length": _length,
    "classes": _classes,
    "majority": _majority,
    "parameters": _parameters,
    "trainable": _trainable,
    "latency": _latency_of(max),
    "latency_single": _latency_of(min),
    "peak_epoch": _peak_epoch,
    "last_loss": _last_loss,
    "weight": _weight,
    "trajectory": _trajectory,
}
"""By name; ``what`` is what follows the name in the cell's metric."""
