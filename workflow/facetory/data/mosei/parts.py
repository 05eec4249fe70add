"""A corpus's segments, video by video: files opened by chunk, read in one process or in several."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from facetory.data.mosei.csd import Csd, open_csd
from facetory.data.mosei.ledger import Odd, dropped
from facetory.data.mosei.segments import Segments
from facetory.data.mosei.spec import MODALITIES, AlignmentSpec
from facetory.data.mosei.words import first_rows, word_segments
from facetory.pipeline.files import FacetoryError

CHUNK = 16
"""Videos that one opening of the files serves, and that are in memory at a time."""
Files = Mapping[str, tuple[Path, int | None]]
"""Path and width (None: as it is) of text, audio, video and labels."""
Done = tuple[int, Segments | None, list[Odd]]
"""Of one video: label rows, the segments that were kept, the ledger's rows."""


def parts(
    spec: AlignmentSpec, files: Files, ledger: list[Odd], counts: dict[str, Any], processes: int = 1
) -> Iterator[Segments]:
    """The kept segments of each labelled video in turn; fills in the ledger and the counts on the way.

    Raises `FacetoryError`, with the counts, when no segment of the corpus is left.
    """
    with open_csd(*files["labels"]) as csd:
        videos = csd.videos
    counts |= {"segments": 0, "kept": 0, "kept_videos": 0, "rows": 0}
    console = Console(stderr=True)
    for rows, part, odd in track(
        _done(spec, files, videos, processes), "aligning", len(videos), console=console
    ):
        counts["segments"] += rows
        ledger += odd
        if part is not None:
            counts["kept"] += len(part)
            counts["kept_videos"] += 1
            counts["rows"] += len(part.valid["text"])
            yield part
    if not counts["kept"]:
        why = "; ".join(f"{problem}: {count}" for problem, count in dropped(ledger).items())
        raise FacetoryError(
            f"{spec.corpus.dataset}: none of {counts['segments']} segments of {len(videos)} videos is left "
            f"under the policy '{spec.policy}' ({why}). Check that the files belong together."
        )


def _done(spec: AlignmentSpec, files: Files, videos: Sequence[str], processes: int) -> Iterator[Done]:
    """Every video in order; with several processes, at most two chunks of each wait to be written."""
    chunks = [videos[i : i + CHUNK] for i in range(0, len(videos), CHUNK)]
    if processes <= 1:
        for chunk in chunks:
            yield from _chunk(spec, files, chunk)
        return
    with ProcessPoolExecutor(min(processes, len(chunks)), get_context("spawn")) as pool:
        waiting: deque[Future[list[Done]]] = deque()
        try:
            for chunk in chunks:
                waiting.append(pool.submit(_chunk, spec, files, chunk))
                if len(waiting) >= 2 * processes:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        except BrokenProcessPool as error:
            raise FacetoryError(
                "an aligning process died, of too little memory as a rule. Use fewer processes."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _chunk(spec: AlignmentSpec, files: Files, videos: Sequence[str]) -> list[Done]:
    with ExitStack() as stack:
        opened = {name: stack.enter_context(open_csd(*file)) for name, file in files.items()}
        return [_video(spec, opened, video) for video in videos]


def _video(spec: AlignmentSpec, opened: Mapping[str, Csd], video: str) -> Done:
    strict, length = spec.policy == "strict", spec.length
    labels = opened["labels"].read(video)
    if spec.policy == "code":
        lengths = {name: csd.lengths(video) for name, csd in opened.items() if video in csd}
        streams = {m: opened[m].read(video, length) for m in MODALITIES if video in opened[m]}
        part, odd = first_rows(video, labels, streams, lengths)
    else:
        streams = {m: opened[m].read(video) for m in MODALITIES if video in opened[m]}
        widths = {m: opened[m].width for m in MODALITIES}
        part, odd = word_segments(video, labels, streams, widths, length, strict)
    return min(len(labels.features), len(labels.intervals)), part, odd
