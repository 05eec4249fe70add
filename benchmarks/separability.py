"""Seconds and memory of the separability of 1,000 people x 20 faces, beside the plain way, on this machine.

    python benchmarks/separability.py

The embeddings (512 numbers) are drawn; both ways compare the same 190,000 genuine pairs and 9.8 million
impostor pairs, and give the same errors.  The plain way is what a short script does: the matrix of all
cosines, a loop that cuts its blocks out by ``np.ix_``, scikit-learn's ``roc_curve``.  Intervals: ours takes
all replicates; of the plain way, which writes out the scores of the people drawn and computes the curve
again, some are timed and the rest extrapolated.  Both start from the same scores there.

Each measurement has a process of its own with one thread, as the pipeline runs it; ways take turns, and
medians are told.  A table is printed, docs/benchmarks/separability.json written; `load_average` there tells
whether the machine was quiet, and seconds of the processor depend less on it.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from facetory.adaptdiff.pair_scores import pairs, scores
from facetory.metrics.bootstrap import draws
from facetory.metrics.pair_bootstrap import REPLICATES, PairScores, estimates, resampled, thresholds
from facetory.metrics.verification import measures
from facetory.pipeline.files import write_json
from facetory.pipeline.provenance import git_commit, library_versions
from facetory.training.device import device_name
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_curve

OUTPUT = Path(__file__).parents[1] / "docs" / "benchmarks" / "separability.json"
ERRORS = ("eer", "fmr100", "fmr1000")
TOLERANCE, REPLICATE_TOLERANCE = 1e-5, 1e-3
"""Beyond which the ways differ: of the errors, by the rounding of their scores; of a replicate's."""
PLAIN_REPLICATES = 2


class Size(NamedTuple):
    """People, images of each, numbers in an embedding, and the share of impostors."""

    people: int = 1000
    images: int = 20
    size: int = 512
    share: float = 0.05


def main() -> None:
    """Measure both ways, print a table and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(options.threads)
    load_before = os.getloadavg()
    comparisons = [
        compared("scores and their measures", "s", (ours, plain), options.repeats),
        compared(f"{REPLICATES:,} replicates", "s", (our_intervals, plain_intervals), 1),
    ]
    about = {
        "device": device_name(),
        "threads": options.threads,
        "size": Size()._asdict(),
        "comparisons": comparisons,
        "load_average": {"before": load_before, "after": os.getloadavg()},
        "versions": library_versions(),
        "git_commit": git_commit(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }
    write_json(options.output, about)
    show(about)


def compared(what: str, unit: str, ways: tuple[Any, Any], repeats: int) -> dict[str, Any]:
    """Seconds and peak gigabytes of both ways in turns, and how far their errors differ."""
    turns = [[alone(way) for way in ways] for _ in range(repeats)]
    tolerance = TOLERANCE if ways[0] is ours else REPLICATE_TOLERANCE
    found, expected = (own["errors"] for own in turns[0])
    difference = float(np.abs(np.subtract(found, expected)).max())
    if not difference <= tolerance:
        raise SystemExit(f"{what}: errors differ by {difference:.2e}, more than {tolerance:.0e}.")
    first, second = ([turn[k] for turn in turns] for k in (0, 1))
    return {
        "what": what,
        "unit": unit,
        "facetory": median(first, "seconds"),
        "plain": median(second, "seconds"),
        "ratio": median(second, "seconds") / median(first, "seconds"),
        "cpu_seconds": {"facetory": median(first, "cpu_seconds"), "plain": median(second, "cpu_seconds")},
        "peak_gb": {"facetory": max(own["gb"] for own in first), "plain": max(own["gb"] for own in second)},
        "difference": difference,
        "turns": [[own["seconds"] for own in turn] for turn in turns],
    }


def median(outcomes: list[dict[str, Any]], name: str) -> float:
    """The median of what a way's turns say under a name."""
    return statistics.median(own[name] for own in outcomes)


def alone(way: Any) -> dict[str, Any]:
    """What a way finds in a process of its own, and the most memory that this process had."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(way).result()


class Clock:
    """Seconds of the wall and of the processor since it was made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def outcome(self, errors: Any, times: float = 1) -> dict[str, Any]:
        """Both, ``times`` over, with what was found and the process's peak so far."""
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        found = np.asarray(errors).tolist()
        return {"seconds": times * wall, "cpu_seconds": times * cpu, "errors": found, "gb": peak}


def ours() -> dict[str, Any]:
    """facetory's way from the embeddings to the errors."""
    embeddings, identity = drawn(Size())
    clock = Clock()
    own = scores(embeddings, identity, Size().share)
    found = measures(own.genuine, own.impostor)
    return clock.outcome([found[name] for name in ERRORS])


def plain() -> dict[str, Any]:
    """The plain way from the embeddings to the errors."""
    embeddings, identity = drawn(Size())
    meeting = pairs(Size().people, Size().share)
    clock = Clock()
    cosines = embeddings @ embeddings.T
    rows = [np.flatnonzero(identity == person) for person in range(Size().people)]
    genuine = [cosines[np.ix_(own, own)][np.triu_indices(len(own), 1)] for own in rows]
    impostor = [cosines[np.ix_(rows[a], rows[b])].ravel() for a, b in meeting]
    errors = plain_errors(np.concatenate(genuine), np.concatenate(impostor))
    return clock.outcome(errors)


def our_intervals() -> dict[str, Any]:
    """All replicates; the errors are those of the first."""
    own = scores(*drawn(Size()), Size().share)
    clock = Clock()
    estimates(own)
    told = clock.outcome(None)
    found = resampled(own, first_draws(), thresholds(own.genuine, own.impostor))
    return told | {"errors": np.stack([found[name] for name in ERRORS], axis=1).tolist()}


def plain_intervals() -> dict[str, Any]:
    """`PLAIN_REPLICATES` of them, their time extrapolated to all."""
    own = scores(*drawn(Size()), Size().share)
    clock = Clock()
    errors = [plain_errors(*written_out(own, times)) for times in first_draws().astype(int)]
    return clock.outcome(errors, REPLICATES / PLAIN_REPLICATES)


def first_draws() -> np.ndarray:
    """How often each person is drawn in the first replicates."""
    return next(draws(0, REPLICATES, Size().people, Size().people))[:PLAIN_REPLICATES]


def written_out(own: PairScores, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The scores of a replicate, each as often as it was drawn."""
    first, second = own.pairs.T
    weights = np.repeat(times, own.of_person), np.repeat(times[first] * times[second], own.of_pair)
    return np.repeat(own.genuine, weights[0]), np.repeat(own.impostor, weights[1])


def plain_errors(genuine: np.ndarray, impostor: np.ndarray) -> list[float]:
    """EER, FMR100 and FMR1000 of scikit-learn's curve."""
    labels = np.concatenate([np.ones(len(genuine)), np.zeros(len(impostor))])
    fmr, tpr, _ = roc_curve(labels, np.concatenate([genuine, impostor]), drop_intermediate=False)
    fnmr = 1 - tpr
    last = int(np.argmax(fmr >= fnmr))
    (x, y), (next_x, next_y) = ((fmr[k], fnmr[k]) for k in (last, last - 1))
    crossing = x + (next_x - x) * (x - y) / ((x - y) - (next_x - next_y))
    return [float(crossing), *(float(fnmr[fmr <= 1 / one_in].min()) for one_in in (100, 1000))]


def drawn(size: Size) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (n, d) around a direction for each person, some farther than others, and who it is."""
    random = np.random.default_rng(0)
    shape = (size.people, size.images, size.size)
    noise = np.exp(random.normal(0.3, 0.45, (*shape[:2], 1))).astype(np.float32)
    centres = random.standard_normal((shape[0], 1, shape[2]), np.float32)
    vectors = (centres + noise * random.standard_normal(shape, np.float32)).reshape(-1, size.size)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, np.repeat(np.arange(size.people), size.images)


def show(about: dict[str, Any]) -> None:
    """Print the comparisons."""
    title = f"{about['device']}, {about['threads']} threads, load {about['load_average']['before'][0]:.1f}"
    table = Table("", "facetory", "plain", "ratio", "CPU s", "GB", title=title)
    for row in about["comparisons"]:
        numbers = (f"{row['facetory']:.2f} s", f"{row['plain']:.2f} s", f"{row['ratio']:.0f}×")
        both = (
            " : ".join(f"{value:.2f}" for value in row[key].values()) for key in ("cpu_seconds", "peak_gb")
        )
        table.add_row(row["what"], *numbers, *both)
    Console().print(table)


if __name__ == "__main__":
    main()
