"""What a target costs: its jobs by stage, their operations, the time those take, and room on the disk.

Operations are rows (told by the specs) times what a row costs (`counted.json`, by benchmarks/flops.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from facetory.cli.disk import bytes_of
from facetory.cli.jobs import ORDER
from facetory.cli.sizes import KnownSizes
from facetory.cli.study import WholeStudy
from facetory.cli.walk import Job
from facetory.cli.work_of import TIMED, work_of
from facetory.pipeline.files import read_json
from facetory.pipeline.work import Sizes, SizeUnknown

COUNTED = Path(__file__).with_name("counted.json")
TERA = 10**12


class Stage(BaseModel):
    """The jobs of one rule: how many there are and have been done, and what the rest of them will take.

    ``operations`` are of all jobs, ``half`` those of them in half precision; ``seconds`` is the time of all
    at the throughput of one device, ``seconds_left`` that of those that are not done.  ``unknown`` says what
    of the stage could not be told.
    """

    model_config = ConfigDict(extra="forbid")

    rule: str
    jobs: int = 0
    done: int = 0
    computes: bool = False
    operations: float = 0.0
    half: float = 0.0
    seconds: float = 0.0
    seconds_left: float = 0.0
    bytes: float = 0.0
    unknown: list[str] = []


class Throughput(BaseModel):
    """10¹² operations a second of the device, in half and in single precision, and where that is from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    half: float
    single: float
    source: str


@cache
def counted() -> Mapping[str, Mapping[str, Any]]:
    """Operations of a row and parameters, by network."""
    found: Mapping[str, Mapping[str, Any]] = read_json(COUNTED)
    return found


def cost(network: str) -> float:
    """Operations of a row through a network; one that is not counted is a `SizeUnknown`."""
    if network not in counted():
        raise SizeUnknown(f"{network} is not counted: run benchmarks/flops.py --only {network}")
    return float(counted()[network]["forward"])


def operations_of(job: Job, study: WholeStudy, sizes: Sizes) -> float | None:
    """Operations of a job; None where no network runs.  What cannot be told is a `SizeUnknown`."""
    work = work_of(job, study, sizes, cost)
    if work is None:
        return None
    total = 0.0
    for (network, how), rows in work.items():
        cost(network)
        total += rows * (counted()[network][how] or 0)
    return total


def is_half(job: Job) -> bool:
    """Whether a job computes in half precision."""
    spec = job.about.get("synthesis", job.spec)
    return getattr(spec, "precision", "no") != "no"


def stages(
    jobs: Iterable[Job], study: WholeStudy, sizes: Sizes, root: Path, throughput: Throughput
) -> list[Stage]:
    """The stages of some jobs, data first and figures last."""
    found: dict[str, Stage] = {}
    for job in jobs:
        stage = found.setdefault(job.rule, Stage(rule=job.rule))
        done = (root / job.output).exists()
        stage.jobs += 1
        stage.done += done
        try:
            stage.bytes += bytes_of(job, study, sizes, counted())
            operations = operations_of(job, study, sizes)
        except SizeUnknown as error:
            stage.unknown = list(dict.fromkeys([*stage.unknown, str(error)]))
            continue
        if operations is None:
            if job.rule in TIMED and not stage.unknown:
                stage.unknown.append("it computes, but its operations are not counted")
            continue
        seconds = operations / TERA / (throughput.half if is_half(job) else throughput.single)
        stage.computes = True
        stage.operations += operations
        stage.half += operations * is_half(job)
        stage.seconds += seconds
        stage.seconds_left += 0.0 if done else seconds
    return sorted(found.values(), key=lambda stage: ORDER.index(stage.rule))


def compared(
    jobs: Iterable[Job], study: WholeStudy, sizes: Sizes, root: Path, throughput: Throughput
) -> dict[str, dict[str, float]]:
    """Of finished jobs, by rule: how many, the estimated and the measured seconds, and estimated/measured.

    Measured is what the jobs' manifests record: start-up, reading and writing are in it.
    """
    found: dict[str, dict[str, float]] = {}
    for job in jobs:
        path = root / job.output
        about = read_json(path) if path.name == "manifest.json" and path.is_file() else {}
        if about.get("status") in ("not_run", "failed") or not about.get("duration_s"):
            continue
        own = stages([job], study, sizes, root, throughput)[0]
        if own.computes:
            total = found.setdefault(job.rule, {"jobs": 0, "estimated": 0.0, "measured": 0.0})
            total["jobs"] += 1
            total["estimated"] += own.seconds
            total["measured"] += about["duration_s"]
    for total in found.values():
        total["ratio"] = total["estimated"] / total["measured"]
    return dict(sorted(found.items(), key=lambda own: ORDER.index(own[0])))


def room(jobs: Iterable[Job], study: WholeStudy, root: Path) -> float:
    """Bytes that the results of the jobs that are not done take at most; what cannot be told is left out."""
    sizes, total = KnownSizes(study, root), 0.0
    for job in jobs:
        with suppress(SizeUnknown):
            total += 0.0 if (root / job.output).exists() else bytes_of(job, study, sizes, counted())
    return total
