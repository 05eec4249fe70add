"""What a trace folder holds (`cli.trace`): the journal of commands, and the lines that they ran.

Lines are bit masks: bit n stands for line n of a file, so that a module of any length is one number.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from facetory.pipeline.files import FacetoryError

JOURNAL, LINES, READERS = "journal.jsonl", "lines", "readers.jsonl"
MARK = "/facetory/"
"""What precedes a module's path in the package, wherever the project lay when it was traced."""

Lines = Mapping[str, int]
"""By module file below the package (``data/rafdb.py``), the mask of its executed lines."""


class Command(NamedTuple):
    """A line of the journal: seconds of wall clock and of CPU; memory in MiB, of the largest process."""

    verb: str
    seconds: float
    cpu_seconds: float
    peak_rss_mb: float
    cuda_peak_mb: float | None
    status: int


class Read(NamedTuple):
    """What `facetory rehearse readers` says of a ``kind`` (layout or weights): read, failed or not_read."""

    kind: str
    name: str
    status: str
    detail: str = ""


class Trace(NamedTuple):
    """A trace folder: ``processes`` hold the lines that each process ran, ``lost`` counts the unreadable."""

    commands: tuple[Command, ...]
    processes: tuple[Lines, ...]
    read: tuple[Read, ...]
    lost: int = 0

    def lines(self) -> dict[str, int]:
        """The lines that any process ran."""
        return union(self.processes)


def read_trace(folder: Path | str) -> Trace:
    """Read a trace folder; one without a journal is a `FacetoryError`, as is a broken line of it.

    Line files that are no whole database belong to processes that were killed; they are counted as lost.
    """
    folder = Path(folder)
    if not (folder / JOURNAL).is_file():
        raise FacetoryError(
            f"{folder / JOURNAL}: the file is missing, so no command was traced. Set FACETORY_TRACE to "
            f"{folder} and run the workflow, or run `make rehearsal`."
        )
    found = [_lines_of(path) for path in sorted((folder / LINES).glob("*"))]
    return Trace(
        tuple(_command(entry) for entry in _entries(folder / JOURNAL)),
        tuple(lines for lines in found if lines is not None),
        tuple(Read(**entry) for entry in _entries(folder / READERS)) if (folder / READERS).is_file() else (),
        found.count(None),
    )


def union(processes: Iterable[Lines]) -> dict[str, int]:
    """The lines that at least one of the processes ran."""
    every: dict[str, int] = {}
    for lines in processes:
        for file, ran in lines.items():
            every[file] = every.get(file, 0) | ran
    return every


def mask(numbers: Iterable[int]) -> int:
    """The bits of these line numbers."""
    found = 0
    for number in numbers:
        found |= 1 << number
    return found


def span(first: int, last: int) -> int:
    """The bits of the lines from ``first`` to ``last``, both included."""
    return (1 << (last + 1)) - (1 << first)


def _lines_of(path: Path) -> Lines | None:
    from coverage import CoverageData
    from coverage.exceptions import CoverageException

    data = CoverageData(basename=str(path))
    try:
        data.read()
        files = {file: data.lines(file) or [] for file in data.measured_files()}
    except CoverageException:
        return None
    finally:
        data.close()
    return {file.rpartition(MARK)[2]: mask(numbers) for file, numbers in files.items() if MARK in file}


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            raise FacetoryError(
                f"{path} line {number}: not valid JSON ({error}). Delete the line; what it said is lost."
            ) from error


def _command(entry: Mapping[str, Any]) -> Command:
    words: Sequence[str] = entry["command"]
    return Command(
        " ".join(words),
        entry["seconds"],
        entry["cpu_seconds"],
        max(entry["peak_rss_mb"], entry["peak_rss_children_mb"]),
        entry["cuda_peak_mb"],
        entry["status"],
    )
