"""What is odd in a corpus and what is done about it: rows of ledger.csv, and what remains usable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facetory.data.index import write_csv
from facetory.data.mosei.align import EPSILON
from facetory.data.mosei.csd import Stream
from facetory.data.mosei.labels import COLUMNS, LIMITS

DROPPED = "dropped"
"""The action by which a sample is lost: a segment, or under the policy ``code`` a video."""


class Odd(NamedTuple):
    """A row of the ledger: segment is the label's row in its file, '' when the whole video is meant."""

    video: str
    segment: int | str
    problem: str
    action: str
    detail: str = ""


def write_ledger(path: Path | str, rows: Iterable[Odd]) -> None:
    """Write ledger.csv atomically."""
    write_csv(path, Odd._fields, rows)


def dropped(rows: Iterable[Odd]) -> dict[str, int]:
    """How many samples each problem cost, the most first."""
    return dict(Counter(row.problem for row in rows if row.action == DROPPED).most_common())


def usable_labels(video: str, labels: Stream) -> tuple[np.ndarray, list[Odd]]:
    """Rows of the label file that can be used, in order of time, and what was odd.

    Left out are labels out of their range or no numbers, and intervals shorter than `EPSILON`; overlapping
    ones are kept.
    """
    odd = []
    count = min(len(labels.features), len(labels.intervals))
    if len(labels.features) != len(labels.intervals):
        detail = f"{len(labels.features)} features, {len(labels.intervals)} intervals"
        odd.append(Odd(video, "", "labels and intervals differ in number", f"first {count} used", detail))
    values, spans = labels.features[:count].astype(np.float64), labels.intervals[:count]
    good = np.ones(count, bool)
    for i in range(count):
        problem, detail = _wrong(values[i], spans[i])
        if problem:
            good[i] = False
            odd.append(Odd(video, i, problem, DROPPED, detail))
    rows = np.flatnonzero(good)
    order = rows[np.argsort(spans[rows, 0], kind="stable")]
    if (order != rows).any():
        odd.append(Odd(video, "", "label intervals out of order", "sorted"))
    reach = -np.inf
    for i in order:
        if reach - spans[i, 0] > EPSILON:
            detail = f"by {reach - spans[i, 0]:.3f} s"
            odd.append(Odd(video, int(i), "label interval overlaps an earlier one", "kept", detail))
        reach = max(reach, spans[i, 1])
    return order, odd


def usable_stream(video: str, name: str, stream: Stream, strict: bool) -> tuple[Stream | None, list[Odd]]:
    """What can be used of a modality's stream, and what was odd.

    Rows and intervals that differ in number leave nothing under ``strict`` (Affect-Diff, Section II-C), their
    common beginning otherwise.  Intervals that are no numbers or end before they begin are left out, words
    shorter than `EPSILON` too; entries that are not finite stay, for no mean counts them.
    """
    odd, (features, intervals) = [], stream
    if len(features) != len(intervals):
        count = min(len(features), len(intervals))
        action = "taken as missing" if strict else f"first {count} used"
        detail = f"{len(features)} features, {len(intervals)} intervals"
        odd.append(Odd(video, "", f"{name} and its intervals differ in number", action, detail))
        if strict:
            return None, odd
        features, intervals = features[:count], intervals[:count]
    lasting = np.isfinite(intervals).all(axis=1) & (intervals[:, 1] >= intervals[:, 0])
    if not lasting.all():
        detail = f"{np.count_nonzero(~lasting)} of {len(lasting)}"
        odd.append(Odd(video, "", f"{name} intervals that are none", "left out", detail))
    if name == "text":
        short = lasting & (intervals[:, 1] - intervals[:, 0] < EPSILON)
        if short.any():
            detail = f"{np.count_nonzero(short)} of {len(short)}"
            odd.append(Odd(video, "", "words of no length", "left out", detail))
            lasting &= ~short
    if not lasting.all():
        features, intervals = features[lasting], intervals[lasting]
    infinite = np.count_nonzero(~(np.isfinite(features)))
    if infinite:
        detail = f"{infinite} of {features.size} entries"
        odd.append(Odd(video, "", f"{name} is not finite", "left out of the means", detail))
    return Stream(features, intervals), odd


def prefixes(videos: Sequence[str]) -> list[Odd]:
    """A row for each id that another id begins with; they are different videos all the same."""
    ordered = sorted(videos)
    return [
        Odd(name, "", "id begins another id", "kept", following)
        for name, following in pairwise(ordered)
        if following.startswith(name)
    ]


def _wrong(values: np.ndarray, span: np.ndarray) -> tuple[str, str]:
    """Why a label row cannot be used, and the detail; two empty strings when it can."""
    if not np.isfinite(values).all():
        return "label is no number", ""
    if not np.isfinite(span).all() or span[1] < span[0]:
        return "label interval is none", f"{span[0]} to {span[1]}"
    if span[1] - span[0] < EPSILON:
        return "label interval of no length", f"at {span[0]} s"
    outside = (values < LIMITS[:, 0] - EPSILON) | (values > LIMITS[:, 1] + EPSILON)
    if outside.any():
        column = int(np.flatnonzero(outside)[0])
        low, high = LIMITS[column]
        return "label out of range", f"{COLUMNS[column]} {values[column]:.4g} is outside {low:g} to {high:g}"
    return "", ""
