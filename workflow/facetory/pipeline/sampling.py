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
    return np.sort(np.concatenate([members[:per_class] for members in _in_order(labels, sample_ids, seed)]))


def spread(labels: np.ndarray, sample_ids: list[str], count: int, seed: int = 0) -> np.ndarray:
    """Positions, ascending int64, of ``count`` samples (all of fewer), as evenly over the classes as may be.

    As `balanced`, of which it takes whole rounds of a sample a class; the last round may end early.
    """
    members = _in_order(labels, sample_ids, seed)
    rounds = np.concatenate([np.arange(len(part)) for part in members])
    return np.sort(np.concatenate(members)[np.argsort(rounds, kind="stable")][:count])


def _in_order(labels: np.ndarray, sample_ids: list[str], seed: int) -> list[np.ndarray]:
    """The positions of each class, in the order in which they are drawn."""
    draw = uniform(stream_key(seed, "balanced part"), sample_keys(sample_ids), 0, 1)[:, 0]
    order = np.argsort(draw, kind="stable")
    return [order[labels[order] == label] for label in np.unique(labels)]
