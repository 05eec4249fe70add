"""Frames to words and words to segments: which intervals intersect, and the mean of what does.

The semantics are those of the SDK's `mmdataset.align` with an averaging function, which compares every
interval with every reference: two intervals intersect when they share more than `EPSILON`, and all that
intersect count the same.  Here each video is sorted once, the candidates are bounded by binary search and the
means are one sparse product.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

EPSILON = 10e-4
"""Seconds that two intervals must share to intersect, and that a word must last (the SDK's)."""
CANDIDATES = 1 << 21
"""Pairs of a reference and an interval that are looked at in one go."""


def intersections(references: np.ndarray, intervals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of ``intervals`` (m, 2) intersect each of ``references`` (n, 2); in seconds, in any order.

    Returns ``offsets`` (n + 1,) and ``members``: those of reference i are
    ``members[offsets[i]:offsets[i + 1]]``, ordered by their start (equal starts as they came).
    """
    order = np.argsort(intervals[:, 0], kind="stable")
    starts, ends = intervals[order].T
    reach = np.maximum.accumulate(ends)
    first = np.searchsorted(reach, references[:, 0] + EPSILON / 2)
    last = np.searchsorted(starts, references[:, 1] - EPSILON / 2)
    candidates = np.maximum(last - first, 0)
    counts = np.zeros(len(references), np.int64)
    members = []
    for block in _blocks(candidates):
        rows = np.repeat(np.arange(block.start, block.stop), candidates[block])
        before = np.cumsum(candidates[block]) - candidates[block]
        columns = first[rows] + np.arange(len(rows)) - before[rows - block.start]
        shared = np.minimum(ends[columns], references[rows, 1]) - np.maximum(
            starts[columns], references[rows, 0]
        )
        meets = shared > EPSILON
        counts[block] = np.bincount(rows[meets] - block.start, minlength=block.stop - block.start)
        members.append(order[columns[meets]])
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return offsets, np.concatenate([np.empty(0, np.int64), *members])


def averaged(references: np.ndarray, intervals: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Mean of the finite entries, column by column, of the frames that intersect each reference.

    ``features`` (m, d) belong to ``intervals`` (m, 2); the result is (n, d) float32, NaN where nothing finite
    intersects.
    """
    from scipy.sparse import csr_array

    offsets, members = intersections(references, intervals)
    shape = (len(references), len(features))
    meets = csr_array((np.ones(len(members)), members, offsets), shape=shape)
    finite = np.isfinite(features)
    whole = bool(finite.all())
    totals = meets @ (features if whole else np.where(finite, features, 0)).astype(np.float64)
    counts = np.diff(offsets)[:, None] if whole else meets @ finite.astype(np.float64)
    means = np.full(totals.shape, np.nan)
    return np.divide(totals, counts, out=means, where=counts > 0).astype(np.float32)


def _blocks(candidates: np.ndarray) -> Iterator[slice]:
    """Runs of references with about `CANDIDATES` candidates each, so that memory stays bounded."""
    running = np.cumsum(candidates)
    start = 0
    while start < len(candidates):
        seen = running[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(running, seen + CANDIDATES, "right")))
        yield slice(start, stop)
        start = stop
