"""One video's segments: its words, and what was heard and seen during each of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from facetory.data.mosei.align import averaged, intersections
from facetory.data.mosei.csd import Stream
from facetory.data.mosei.ledger import DROPPED, Odd, usable_labels, usable_stream
from facetory.data.mosei.segments import Segments
from facetory.data.mosei.spec import MODALITIES, Modality

SLICE = 0.3
"""Seconds of a position in a segment that nobody has transcribed; a spoken word lasts about as long."""


def word_segments(
    video: str,
    labels: Stream,
    streams: Mapping[Modality, Stream],
    widths: Mapping[Modality, int],
    length: int,
    strict: bool,
) -> tuple[Segments | None, list[Odd]]:
    """The labelled segments of a video, aligned to words, and the ledger's rows (Affect-Diff, Section II-C).

    A segment's positions are the first ``length`` words that intersect it; audio and video are averaged over
    each word.  ``strict`` keeps a segment when each modality was measured at some position; otherwise any
    will do, and one without words has slices of `SLICE` seconds as positions and no text.  None when nothing
    is kept.
    """
    rows, odd = usable_labels(video, labels)
    usable: dict[Modality, Stream] = {}
    for name in MODALITIES:
        found = streams.get(name)
        if found is None:
            action = "all segments dropped" if strict else "masked"
            odd.append(Odd(video, "", f"no {name} in the corpus", action))
            continue
        stream, rows_of_ledger = usable_stream(video, name, found, strict)
        odd += rows_of_ledger
        if stream is not None:
            usable[name] = stream
    if not len(rows):
        return None, odd
    text = usable.get("text") or Stream(np.empty((0, widths["text"]), np.float32), np.empty((0, 2)))
    spans = labels.intervals[rows]
    bounds, members = intersections(spans, text.intervals)
    counts = np.diff(bounds)
    for i in np.flatnonzero(counts > length):
        odd.append(Odd(video, int(rows[i]), f"more than {length} words", "truncated", f"{counts[i]} words"))
    place = np.arange(len(members)) - np.repeat(bounds[:-1], counts)
    segment = np.repeat(np.arange(len(rows)), counts)[place < length]
    spoken, word = np.unique(members[place < length], return_inverse=True)
    positions, written = text.intervals[spoken], _finite(text.features[spoken])
    if not strict:
        silent = np.flatnonzero(counts == 0)
        sliced, where = _slices(spans[silent], length)
        segment, word = np.r_[segment, silent[where]], np.r_[word, len(positions) + np.arange(len(sliced))]
        positions = np.concatenate([positions, sliced])
        nothing = np.full((len(sliced), widths["text"]), np.nan, np.float32)
        written = np.concatenate([written, nothing])
        order = np.argsort(segment, kind="stable")
        segment, word = segment[order], word[order]
    values = {"text": written}
    for name in MODALITIES[1:]:
        stream = usable.get(name)
        empty = np.full((len(positions), widths[name]), np.nan, np.float32)
        values[name] = averaged(positions, stream.intervals, stream.features) if stream else empty
    return _kept(video, labels, rows, segment, {m: values[m][word] for m in MODALITIES}, strict, odd)


def _kept(
    video: str,
    labels: Stream,
    rows: np.ndarray,
    segment: np.ndarray,
    values: dict[Modality, np.ndarray],
    strict: bool,
    odd: list[Odd],
) -> tuple[Segments | None, list[Odd]]:
    """The segments that the policy keeps; ``segment`` says whose position each row of ``values`` is."""
    valid = {m: _measured(values[m]) for m in MODALITIES}
    present = np.stack([np.bincount(segment[valid[m]], minlength=len(rows)) > 0 for m in MODALITIES], axis=1)
    kept = present.sum(axis=1) >= (len(MODALITIES) if strict else 1)
    for i in np.flatnonzero(~kept):
        unseen = [m for m, there in zip(MODALITIES, present[i], strict=True) if not there]
        missing = " and ".join(unseen if i in segment else ["text"])
        odd.append(Odd(video, int(rows[i]), f"{missing} missing", DROPPED))
    if not kept.any():
        return None, odd
    chosen = kept[segment]
    lengths = np.bincount(segment, minlength=len(rows))[kept]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    part = Segments(
        {m: values[m][chosen] for m in MODALITIES},
        dict.fromkeys(MODALITIES, offsets),
        {m: valid[m][chosen] for m in MODALITIES},
        labels.features[rows[kept], 1:].astype(np.float32),
        labels.features[rows[kept], 0].astype(np.float32),
        labels.intervals[rows[kept]],
        [f"{video}[{i}]" for i in rows[kept]],
    )
    return part, odd


def first_rows(
    video: str,
    labels: Stream,
    streams: Mapping[Modality, Stream],
    lengths: Mapping[str, tuple[int, int]],
) -> tuple[Segments | None, list[Odd]]:
    """A video as the released code takes it: the rows of each stream as given, and the first label row.

    ``lengths`` are the (features, intervals) that each file has of the video: a video that a file lacks, or
    whose numbers differ, is dropped, as are those whose label is no number.
    """
    for name in (*MODALITIES, "labels"):
        features, intervals = lengths.get(name, (0, 0))
        if not features or not intervals:
            return None, [Odd(video, "", f"{name} missing", DROPPED)]
        if features != intervals:
            detail = f"{features} features, {intervals} intervals"
            return None, [Odd(video, "", f"{name} and its intervals differ in number", DROPPED, detail)]
    if not np.isfinite(labels.features[0]).all():
        return None, [Odd(video, 0, "label is no number", DROPPED)]
    values = {m: _finite(streams[m].features) for m in MODALITIES}
    part = Segments(
        values,
        {m: np.array([0, len(values[m])]) for m in MODALITIES},
        {m: _measured(values[m]) for m in MODALITIES},
        labels.features[:1, 1:].astype(np.float32),
        labels.features[:1, 0].astype(np.float32),
        labels.intervals[:1],
        [f"{video}[0]"],
    )
    return part, []


def _finite(features: np.ndarray) -> np.ndarray:
    """Features as float32, NaN where an entry is not finite."""
    return np.where(np.isfinite(features), features, np.nan).astype(np.float32)


def _measured(values: np.ndarray) -> np.ndarray:
    return ~np.isnan(values).all(axis=1)


def _slices(spans: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """At most ``length`` slices of each interval, `SLICE` seconds each (the last one shorter), and whose."""
    counts = np.clip(np.ceil((spans[:, 1] - spans[:, 0]) / SLICE - 1e-6), 1, length).astype(np.int64)
    whose = np.repeat(np.arange(len(spans)), counts)
    place = np.arange(len(whose)) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = spans[whose, 0] + SLICE * place
    return np.stack([starts, np.minimum(starts + SLICE, spans[whose, 1])], axis=1), whose
