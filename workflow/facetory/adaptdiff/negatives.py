"""Negative partners of identities: who in the pool a face is led away from (NegFaceDiff)."""

from __future__ import annotations

import numpy as np

from facetory.pipeline.files import FacetoryError
from facetory.pipeline.randomness import stream_key, uniform

ROWS = 512
"""Identities whose cosines with all others are held at once: of 15,000 with 512 components 190 MB in all."""


def partners(contexts: np.ndarray, rows: int = ROWS) -> dict[str, np.ndarray]:
    """Of each of N ≥ 2 identities the farthest, middle and closest other one by cosine: int64 (N,) each.

    contexts: (N, d) unit vectors.  "far" has the least cosine, "close" the greatest, "mid" the lower median
    of the N − 1 others (number ⌊N/2⌋ of them in ascending order, counted from 1); the lowest index
    among equals.  Cosines are summed in float64 and compared in float32, so that the pool's cut into blocks
    of ``rows`` changes nobody's partner; a block and its ranks are all that is held at once.
    """
    count = len(contexts)
    if count < 2:
        raise FacetoryError(f"identities: a pool of {count} has nobody to lead away from. Draw at least 2.")
    everyone = contexts.astype(np.float64)
    far, mid, close = (np.empty(count, np.int64) for _ in range(3))
    for start in range(0, count, rows):
        block = slice(start, min(start + rows, count))
        cosine = (everyone[block] @ everyone.T).astype(np.float32)
        themselves = (np.arange(len(cosine)), np.arange(block.start, block.stop))
        cosine[themselves] = -np.inf
        close[block] = cosine.argmax(1)
        cosine[themselves] = np.inf
        far[block] = cosine.argmin(1)
        median = np.partition(cosine, (count - 2) // 2, axis=1)[:, [(count - 2) // 2]]
        mid[block] = (cosine == median).argmax(1)
    return {"far": far, "mid": mid, "close": close}


def random_partners(count: int, seed: int) -> np.ndarray:
    """Of each identity another one, uniform over the N − 1 others, int64 (N,): a function of (seed, N, i).

    The released code takes the identity before, which on the sphere is as good as random.
    """
    identity = np.arange(count, dtype=np.int64)
    drawn = uniform(stream_key(seed, "adaptdiff random negative"), identity, 0, 1)[:, 0]
    other = (drawn * (count - 1)).astype(np.int64)
    return other + (other >= identity)
