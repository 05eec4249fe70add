"""What a running training shows and leaves behind: a bar or lines, progress.jsonl, tensorboard."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SECONDS_BETWEEN_LINES = 10.0

Show = Callable[[int, dict[str, float]], None]


@contextmanager
def shown(name: str, start: int, total: int) -> Iterator[Show]:
    """Yield ``show(step, numbers)``: a rich bar on a terminal, else a line on stderr every ten seconds."""
    with _bar(name, start, total) if sys.stderr.isatty() else _lines(name, start, total) as show:
        yield show


@contextmanager
def _bar(name: str, start: int, total: int) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(name),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[now]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=total, completed=start, now="")
        yield lambda step, numbers: bar.update(task, completed=step, now=_text(numbers))


@contextmanager
def _lines(name: str, start: int, total: int) -> Iterator[Show]:
    began = last = time.monotonic()

    def show(step: int, numbers: dict[str, float]) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < SECONDS_BETWEEN_LINES and step < total:
            return
        last = now
        left = (now - began) / max(step - start, 1) * (total - step)
        print(
            f"{name}: step {step}/{total}  {_text(numbers)}  {left:.0f} s left", file=sys.stderr, flush=True
        )

    yield show


def _text(numbers: dict[str, float]) -> str:
    return "  ".join(f"{key} {value:.4g}" for key, value in numbers.items())


def append(path: Path, line: dict[str, Any]) -> None:
    """Add one JSON line to progress.jsonl."""
    with path.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(line) + "\n")


def truncate(path: Path, step: int) -> None:
    """Keep only the whole lines of progress.jsonl up to a step: a killed process may leave more."""
    from facetory.pipeline.files import write_text

    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except ValueError:
            break
    write_text(path, "".join(line + "\n" for line in kept))


@contextmanager
def board(folder: Path | None, resumed_at: int) -> Iterator[Show]:
    """Yield ``write(step, numbers)`` into a tensorboard folder, or a function that does nothing for None."""
    if folder is None:
        yield lambda step, numbers: None
        return
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder), purge_step=resumed_at + 1)

    def write(step: int, numbers: dict[str, float]) -> None:
        for key, value in numbers.items():
            writer.add_scalar(key, value, step)

    try:
        yield write
    finally:
        writer.close()
