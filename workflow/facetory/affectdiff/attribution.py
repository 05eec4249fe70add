"""What each modality contributes to a prediction: Shapley values over the eight coalitions, all of them."""

from __future__ import annotations

from itertools import product
from math import factorial

import numpy as np
import torch
from torch import Tensor, nn

from facetory.data.mosei.spec import MODALITIES

Streams = tuple[Tensor, Tensor, Tensor]
PLAYERS = len(MODALITIES)
COALITIONS = np.array(list(product((False, True), repeat=PLAYERS)))
"""Who is present, (8, 3) bool, text first: row 0 nobody, row 7 everybody, 4·text + 2·audio + video."""
NOBODY, EVERYBODY = 0, len(COALITIONS) - 1


def _shapley_weights() -> np.ndarray:
    """(8, 3): |S|!·(n − |S| − 1)!/n! where a modality joins S, the same negative where it is missing."""
    weights = np.zeros(COALITIONS.shape)
    for row, present in enumerate(COALITIONS):
        for player in range(PLAYERS):
            others = int(present.sum() - present[player])
            weight = factorial(others) * factorial(PLAYERS - others - 1) / factorial(PLAYERS)
            weights[row, player] = weight if present[player] else -weight
    return weights


SHAPLEY = _shapley_weights()


def shapley(values: np.ndarray) -> np.ndarray:
    """Shapley values (n, 3) of a function's values (n, 8) on `COALITIONS` (Shapley, 1953).

    They sum to v(everybody) − v(nobody).
    """
    return values @ SHAPLEY


def log_odds(logits: Tensor, classes: Tensor) -> Tensor:
    """log p_c/(1 − p_c) in nats; logits (..., K), classes (...) int64 broadcast to (...)."""
    index = classes.expand(logits.shape[:-1])[..., None]
    others = logits.scatter(-1, index, -torch.inf).logsumexp(-1)
    return logits.gather(-1, index)[..., 0] - others


def without(streams: Streams, mask: Tensor, present: Tensor) -> tuple[Streams, Tensor]:
    """Streams (N, L, D) and mask (N, 3, L) with modalities left out; ``present`` (N, 3) bool.

    A model that reads masks is told that they are absent; to any other they are zeros, the training split's
    mean, as missing streams are in its training.
    """
    text, audio, video = (s * present[:, i, None, None] for i, s in enumerate(streams))
    return (text, audio, video), mask & present[:, :, None]


@torch.inference_mode()
def coalition_logits(model: nn.Module, streams: Streams, mask: Tensor) -> Tensor:
    """What the model says of each segment when only some modalities are there, (B, 8, K), in one batch."""
    count, rows = len(COALITIONS), len(mask)
    present = torch.from_numpy(COALITIONS).to(mask.device).repeat(rows, 1)
    text, audio, video = (stream.repeat_interleave(count, dim=0) for stream in streams)
    parts, kept = without((text, audio, video), mask.repeat_interleave(count, dim=0), present)
    return model(parts, kept).unflatten(0, (rows, count))
