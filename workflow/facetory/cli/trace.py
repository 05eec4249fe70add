"""Evidence of what a command ran, in the folder that ``FACETORY_TRACE`` names; without it, nothing happens.

``journal.jsonl`` gets a line a command and ``lines/`` a file of coverage.py a process, those
included that the command starts by spawning: which lines of the package it executed.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facetory.pipeline.files import FacetoryError, write_text
from facetory.pipeline.provenance import PACKAGE

VARIABLE = "FACETORY_TRACE"
JOURNAL, LINES, SETTINGS = "journal.jsonl", "lines", "lines.cfg"
LONGEST, LONGEST_ALL = 60, 400


@contextmanager
def traced(groups: Collection[str], argv: Sequence[str] | None = None) -> Iterator[None]:
    """Record the block as the command that ``argv`` (the process's own) names, however it ends.

    ``groups`` are the first words that a second one belongs to.  Raises `FacetoryError` where the variable
    is set and coverage.py is not installed.
    """
    if not (named := os.environ.get(VARIABLE)):
        yield
        return
    folder = Path(named).absolute()
    lines = _started(folder)
    words = list(sys.argv[1:] if argv is None else argv)
    begun, before, status = time.time(), _cpu_seconds(), 1
    try:
        yield
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    except FacetoryError as error:
        status = error.status
        raise
    finally:
        lines.stop()
        lines.save()
        verb = words[: 2 if words[:1] and words[0] in groups else 1]
        _append(folder / JOURNAL, _entry(verb, words[len(verb) :], begun, before, status))


def _started(folder: Path) -> Any:
    """A running measurement of the package's lines."""
    try:
        from coverage import Coverage
    except ImportError:
        raise FacetoryError(
            f"{VARIABLE} asks for the lines that a command runs, and coverage.py is not installed. Run "
            "`pip install coverage`, or unset the variable."
        ) from None
    (folder / LINES).mkdir(parents=True, exist_ok=True)
    settings = folder / SETTINGS
    asked = (
        f"[run]\ndata_file = {folder / LINES / 'of'}\nparallel = true\nbranch = false\n"
        f"concurrency = thread, multiprocessing\ninclude = {PACKAGE}/*\n"
    )
    if not settings.is_file() or settings.read_text(encoding="utf-8") != asked:
        write_text(settings, asked)
    lines = Coverage(config_file=str(settings), data_suffix=True, messages=False)
    lines.start()
    return lines


def _entry(
    verb: Sequence[str], arguments: Sequence[str], begun: float, before: float, status: int
) -> dict[str, Any]:
    """A line of the journal; seconds of this process and of its children that have ended, memory in MiB."""
    short = " ".join(word if len(word) <= LONGEST else f"{word[: LONGEST - 1]}…" for word in arguments)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "command": list(verb),
        "arguments": short if len(short) <= LONGEST_ALL else f"{short[: LONGEST_ALL - 1]}…",
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begun)),
        "seconds": round(time.time() - begun, 3),
        "cpu_seconds": round(_cpu_seconds() - before, 3),
        "peak_rss_mb": round(_peak_kib() / 1024, 1),
        "peak_rss_children_mb": round(children.ru_maxrss / 1024, 1),
        "cuda_peak_mb": _cuda_peak(),
        "status": status,
    }


def _peak_kib() -> int:
    """The most memory that this program held; getrusage counts what its parent held before it as well."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = (int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return next(found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _cuda_peak() -> float | None:
    """MiB of tensors at the peak, where this process used CUDA."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    return round(torch.cuda.max_memory_allocated() / 2**20, 1)


def _append(path: Path, entry: dict[str, Any]) -> None:
    """Add a line in one write, so that jobs that end together do not mix theirs."""
    line = json.dumps(entry, ensure_ascii=False) + "\n"
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(handle, line.encode(errors="replace"))
    finally:
        os.close(handle)
