"""What a run of Snakemake has done so far, read from the log that it writes into .snakemake/log."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

STAMP = re.compile(r"\[(\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})\]")
STARTED = re.compile(r"(?:local|group )?(?:rule|checkpoint) (\w+):")
FINISHED = re.compile(r"Finished jobid: (\d+)")
FAILED = re.compile(r"Error in rule (\w+):")
FIELD = re.compile(r" +(jobid|output|log): (.+)")
COUNT = re.compile(r"(\w+) +(\d+)")
SMOOTHED = 1
"""Finished jobs that the mean of all others counts for in the mean of a rule."""


@dataclass
class Job:
    """A job that was started: ``ended`` is None while it runs."""

    rule: str
    started: datetime
    jobid: int = -1
    output: str = ""
    log: str = ""
    ended: datetime | None = None
    failed: bool = False

    @property
    def seconds(self) -> float:
        """How long it took; 0 while it runs."""
        return (self.ended - self.started).total_seconds() if self.ended else 0.0


@dataclass
class Run:
    """A run of Snakemake: ``planned`` jobs by rule, those that were started, and whether it came to an end.

    ``last`` is the time of the last event in the log.
    """

    command: str = ""
    planned: Counter[str] = field(default_factory=Counter)
    jobs: list[Job] = field(default_factory=list)
    first: datetime | None = None
    last: datetime | None = None
    ended: bool = False

    @property
    def running(self) -> list[Job]:
        """Jobs that were started and have not ended; none once the run has."""
        return [] if self.ended else [job for job in self.jobs if not job.ended]

    @property
    def failed(self) -> list[Job]:
        """Jobs whose last attempt failed."""
        latest = {job.jobid: job for job in self.jobs}
        return [job for job in latest.values() if job.failed]

    @property
    def finished(self) -> list[Job]:
        """Jobs that ended well."""
        return [job for job in self.jobs if job.ended and not job.failed]

    def remaining(self) -> Counter[str]:
        """Planned jobs by rule that have neither finished nor failed; those that run are among them."""
        over = Counter(job.rule for job in [*self.finished, *self.failed])
        return self.planned - over

    def seconds_left(self) -> float | None:
        """Seconds until the planned jobs are done, or None before any has finished.

        The mean of a rule's finished jobs, times its jobs that remain, divided by the number of jobs that
        have run side by side so far.  A rule of which few have finished leans on the mean of all.
        """
        done = self.finished
        if not done or not self.first or not self.last:
            return None
        took = sum(job.seconds for job in done)
        elapsed = max((self.last - self.first).total_seconds(), 1.0)
        count, seconds = Counter(job.rule for job in done), Counter[str]()
        for job in done:
            seconds[job.rule] += job.seconds  # type: ignore[assignment]
        mean = took / len(done)
        left = sum(
            jobs * (seconds[rule] + SMOOTHED * mean) / (count[rule] + SMOOTHED)
            for rule, jobs in self.remaining().items()
        )
        left -= sum((self.last - job.started).total_seconds() for job in self.running)
        return max(left, 0.0) / max(took / elapsed, 1.0)

    def end(self) -> datetime | None:
        """When the last planned job will be done, as far as can be told."""
        left = self.seconds_left()
        return None if left is None or self.last is None else self.last + timedelta(seconds=left)


def newest_log(folder: Path) -> Path | None:
    """The newest log of a run in a working folder, or None where Snakemake never ran."""
    logs = sorted((folder / ".snakemake" / "log").glob("*.snakemake.log"))
    return next(
        (path for path in reversed(logs) if "\nJob stats:\n" in path.read_text(errors="replace")), None
    )


def is_locked(folder: Path) -> bool:
    """Whether a run holds the folder's lock; one that was killed leaves its lock behind."""
    return any((folder / ".snakemake" / "locks").glob("*.lock"))


def read_log(text: str) -> Run:
    """A run from the text of its log, which may stop in the middle of a line."""
    run, stamp, current, counting = Run(), None, None, False
    for line in text.splitlines():
        if found := STAMP.fullmatch(line):
            stamp = datetime.strptime(found[1], "%a %b %d %H:%M:%S %Y")
            run.first, run.last, current = run.first or stamp, stamp, None
        elif line == "Job stats:":
            counting, run.planned = True, Counter()
        elif counting and (not line or line.startswith("total ")):
            counting = False
        elif counting and (found := COUNT.fullmatch(line)):
            run.planned[found[1]] = int(found[2])
        elif stamp and (found := STARTED.fullmatch(line)):
            current = Job(found[1], stamp)
            run.jobs.append(current)
        elif current and (found := FIELD.match(line)):
            _tell(current, found[1], found[2])
        elif stamp and (found := FAILED.fullmatch(line)):
            current = Job(found[1], stamp, failed=True)
        elif stamp and (found := FINISHED.match(line)):
            _end(run, int(found[1]), stamp, failed=False)
        elif line.startswith("  Command: "):
            run.command = line.removeprefix("  Command: ")
        elif line.startswith("Complete log"):
            run.ended = True
        if current and current.failed and current.jobid >= 0:
            _end(run, current.jobid, current.started, failed=True)
            current = None
    return run


def _tell(job: Job, name: str, value: str) -> None:
    setattr(job, name, int(value) if name == "jobid" else value)


def _end(run: Run, jobid: int, at: datetime, failed: bool) -> None:
    """Close the newest open job of that number."""
    job = next((job for job in reversed(run.jobs) if job.jobid == jobid and not job.ended), None)
    if job:
        job.ended, job.failed = at, failed
