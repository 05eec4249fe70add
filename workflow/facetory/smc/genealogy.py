"""Who descends from whom: lineages, survivors and a crossing-free order of a run's particles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Trace(NamedTuple):
    """One face's S scorings of P particles, as edits.safetensors holds them.

    scores (S, P) and final_scores (P,) are probabilities, ancestors (S, P) each particle's parent, ess and
    unique_roots (S,); ``chosen`` of the final particles is returned.  snapshots uint8 (G, P, 3, h, w) are the
    particles at the scorings snapshot_scorings (G,), from 0; source and edited uint8 (3, h, w); ``target`` is
    the guide's class.
    """

    scores: np.ndarray
    final_scores: np.ndarray
    ancestors: np.ndarray
    ess: np.ndarray
    unique_roots: np.ndarray
    chosen: int
    snapshots: np.ndarray
    snapshot_scorings: np.ndarray
    source: np.ndarray
    edited: np.ndarray
    target: str


def lineage(ancestors: np.ndarray, last: int) -> np.ndarray:
    """The particle at each scoring from which final particle ``last`` descends: (S, P) to (S + 1,)."""
    path = [last]
    for parents in ancestors[::-1]:
        path.append(int(parents[path[-1]]))
    return np.array(path[::-1])


def living(ancestors: np.ndarray) -> np.ndarray:
    """Whether a particle has descendants at the end: (S, P) to (S + 1, P), the last line all true."""
    alive = [np.ones(ancestors.shape[1], bool)]
    for parents in ancestors[::-1]:
        alive.append(np.isin(np.arange(len(parents)), parents[alive[-1]]))
    return np.array(alive[::-1])


def heights(ancestors: np.ndarray) -> np.ndarray:
    """Places (S + 1, P) at which no two lines cross: children stand in the order of their parents."""
    found = [np.arange(ancestors.shape[1])]
    for parents in ancestors:
        order = np.argsort(found[-1][parents], kind="stable")
        found.append(np.argsort(order))
    return np.array(found)
