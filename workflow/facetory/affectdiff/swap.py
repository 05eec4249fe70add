"""Another modality: what if the tone had been different (Affect-Diff's homepage)?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from facetory.affectdiff.attribution import PLAYERS, Streams
from facetory.pipeline.randomness import sample_keys, stream_key, uniform

NO_DONOR = -1


def donors(predicted: np.ndarray, present: np.ndarray, ids: Sequence[str], seed: int) -> np.ndarray:
    """Whose stream each segment is given, (n, 3) int64 positions; −1 where nobody qualifies.

    A donor's predicted emotion (``predicted``, (n,)) differs, and it has the modality (``present``, (n, 3)
    bool).  It is drawn by (seed, segment id): the same one for all three modalities wherever all who qualify
    have all three, and whatever the order of the segments.
    """
    drawn = uniform(stream_key(seed, "affectdiff", "donor"), sample_keys(list(ids)), 0, 1)[:, 0]
    by_id = np.argsort(np.asarray(ids, dtype=str), kind="stable")
    chosen = np.full((len(ids), PLAYERS), NO_DONOR, dtype=np.int64)
    for modality in range(PLAYERS):
        for label in np.unique(predicted):
            pool = by_id[(predicted[by_id] != label) & present[by_id, modality]]
            asking = np.flatnonzero(predicted == label)
            if len(pool):
                chosen[asking, modality] = pool[(drawn[asking] * len(pool)).astype(np.int64)]
    return chosen


@torch.inference_mode()
def swapped_logits(
    model: nn.Module, streams: Streams, mask: Tensor, donated: Streams, donated_mask: Tensor
) -> Tensor:
    """What the model says with one stream swapped for another segment's, (B, 3, K), in one batch.

    ``donated`` (B, L, D) and ``donated_mask`` (B, 3, L) hold, modality by modality, each segment's donor.
    """
    swaps = torch.eye(PLAYERS, dtype=torch.bool, device=mask.device)
    text, audio, video = (
        torch.where(swaps[None, :, i, None, None], other[:, None], own[:, None]).flatten(0, 1)
        for i, (own, other) in enumerate(zip(streams, donated, strict=True))
    )
    kept = torch.where(swaps[None, :, :, None], donated_mask[:, None], mask[:, None]).flatten(0, 1)
    return model((text, audio, video), kept).unflatten(0, (len(mask), PLAYERS))
