"""A fixed, balanced part of a split, chosen by sample id alone."""

from __future__ import annotations

import numpy as np

from facetory.pipeline.randomness import sample_keys, stream_key, uniform


def balanced(labels: np.ndarray, sample_ids: list[str], per_class: int | None, seed: int = 0) -> np.ndarray:
    """Positions, ascending int64, of ``per_class`` samples of each class (all of fewer, or for None).

    ``labels`` (n,) int64.  A sample's place in the draw is a function of (seed, sample id), so other samples
    in the split, or their order, do not change which of two is preferred.
    """
    if per_class is None:
        return np.arange(len(labels))
    draw = uniform(stream_key(seed, "balanced part"), sample_keys(sample_ids), 0, 1)[:, 0]
    order = np.argsort(draw, kind="stable")
    chosen = [order[labels[order] == label][:per_class] for label in np.unique(labels)]
    return np.sort(np.concatenate(chosen))
