"""Genuine and impostor scores of embedded faces (AdaptDiff, "Evaluation of identity separability")."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np

from facetory.metrics.pair_bootstrap import PairScores
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.randomness import generator

MOST = 300_000_000
"""Impostor scores that are held at once (1.2 GB)."""


def pairs(identities: int, share: float, seed: int = 0) -> np.ndarray:
    """Pairs (P, 2) int64 of different identities, numbered from 0, the earlier one first.

    Each identity meets ⌊share · later ones⌋ of the later ones, drawn without replacement by (seed, identity);
    share 1 makes all pairs.
    """
    exact, found = Fraction(str(share)), []
    for own in range(identities):
        later = identities - 1 - own
        met = generator(seed, "impostors", own).choice(later, floor(later * exact), replace=False)
        found.append(np.stack([np.full(len(met), own), own + 1 + np.sort(met)], axis=1))
    return np.concatenate(found).astype(np.int64)


def scores(embeddings: np.ndarray, identity: np.ndarray, share: float = 1.0, seed: int = 0) -> PairScores:
    """Cosines of all genuine pairs and of every image of the identities that `pairs` lets meet.

    embeddings: (n, d) unit vectors; identity: (n,) any integers, whose sorted distinct values are numbered
    from 0.  Scores are float32; one product is taken of an identity with all those it meets.  More than
    `MOST` impostor scores are a `FacetoryError`.
    """
    order = np.argsort(identity, kind="stable")
    embeddings = np.asarray(embeddings, dtype=np.float32)[order]
    _, sizes = np.unique(identity, return_counts=True)
    every = (sizes.sum() ** 2 - np.square(sizes).sum()) / 2
    if every * share > MOST:
        raise FacetoryError(
            f"Separability: {every * share:.1g} impostor scores of {len(sizes)} people are more "
            f"than {MOST:.1g}. Compare fewer people or images, or a smaller share of the impostors."
        )
    faces = np.split(embeddings, np.cumsum(sizes)[:-1])
    genuine = [(own @ own.T)[np.triu_indices(len(own), 1)] for own in faces]
    meeting = pairs(len(sizes), share, seed)
    of_pair = sizes[meeting[:, 0]] * sizes[meeting[:, 1]]
    impostor = np.empty(of_pair.sum(), dtype=np.float32)
    place = 0
    for own, met in enumerate(np.split(meeting[:, 1], np.cumsum(np.bincount(meeting[:, 0])))):
        if len(met):
            block = np.concatenate([faces[other] for other in met]) @ faces[own].T
            impostor[place : place + block.size] = block.ravel()
            place += block.size
    return PairScores(
        np.concatenate(genuine).clip(-1, 1),
        sizes * (sizes - 1) // 2,
        impostor.clip(-1, 1, out=impostor),
        meeting,
        of_pair,
    )
