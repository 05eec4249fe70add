"""What robustness is measured under: missing modalities, noise, masked frames (Affect-Diff, Section V-F).

Each draw is keyed by (seed, kind, segment id), on the CPU: a segment's corruption is the same for every
model, batch and device.  The same draws serve all noise levels, and a larger share of masked frames holds a
smaller one, so that levels differ by their strength alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from facetory.affectdiff.batches import Batch
from facetory.affectdiff.spec import CONDITIONS
from facetory.data.mosei.spec import MODALITIES
from facetory.pipeline.randomness import generator
from facetory.pipeline.suggest import unknown


def corrupted(
    batch: Batch, condition: str, segment_ids: Sequence[str], seed: int = 0, released: bool = False
) -> Batch:
    """The batch under one of `spec.CONDITIONS`; segment_ids: one of each of its B segments.

    ``missing_<modality>``: zeros, and nothing measured.  ``noise_<σ>``: Gaussian noise of standard deviation
    σ on all measured rows of the normalised streams.  ``frame_mask_<p>``: a share p of the time steps at
    which anything was measured (rounded down, at least one) is zeroed and not measured, in all three streams.
    ``released``: as in the authors' code, where padding is noised and masked too and one set of time steps
    serves all segments.
    """
    kind, _, level = condition.rpartition("_")
    if condition not in CONDITIONS:
        raise unknown("condition", condition, CONDITIONS, "Affect-Diff's robustness")
    if kind == "missing":
        return _kept(batch, _without(batch, level))
    if kind == "noise":
        return _noisy(batch, float(level), segment_ids, seed, released)
    if kind == "frame_mask":
        frames = masked_frames(batch.mask.any(1).cpu().numpy(), float(level), segment_ids, seed, released)
        return _kept(batch, ~torch.from_numpy(frames).to(batch.mask.device)[:, None])
    return batch


def masked_frames(
    measured: np.ndarray, share: float, segment_ids: Sequence[str], seed: int, released: bool = False
) -> np.ndarray:
    """Which time steps (B, L) to mask, bool: max(1, ⌊share · n⌋) of the n that were ``measured`` (B, L)."""
    length = measured.shape[1]
    if released:
        drawn = np.broadcast_to(_random(seed, "frame_mask", "all").random(length), measured.shape)
        measured = np.ones_like(measured)
    else:
        drawn = np.stack([_random(seed, "frame_mask", name).random(length) for name in segment_ids])
    order = np.where(measured, drawn, np.inf).argsort(axis=1, kind="stable").argsort(axis=1)
    count = np.maximum(1, np.floor(measured.sum(1) * share))
    return (order < count[:, None]) & measured


def _noisy(batch: Batch, level: float, segment_ids: Sequence[str], seed: int, released: bool) -> Batch:
    sizes = [stream.shape[1:] for stream in batch.streams]
    drawn: list[list[np.ndarray]] = [[] for _ in sizes]
    for name in segment_ids:
        random = _random(seed, "noise", name)
        for size, noise in zip(sizes, drawn, strict=True):
            noise.append(random.standard_normal(size, dtype=np.float32))
    where = torch.ones_like(batch.mask) if released else batch.mask
    text, audio, video = (
        stream + level * torch.from_numpy(np.stack(noise)).to(stream.device) * where[:, m, :, None]
        for m, (stream, noise) in enumerate(zip(batch.streams, drawn, strict=True))
    )
    return batch._replace(streams=(text, audio, video))


def _without(batch: Batch, modality: str) -> Tensor:
    kept = [name != modality for name in MODALITIES]
    return torch.tensor(kept, device=batch.mask.device)[None, :, None].expand_as(batch.mask)


def _kept(batch: Batch, kept: Tensor) -> Batch:
    """The batch with what is not ``kept``, broadcast to (B, 3, L), zeroed and not measured."""
    kept = kept.expand_as(batch.mask)
    text, audio, video = (stream * kept[:, m, :, None] for m, stream in enumerate(batch.streams))
    return batch._replace(streams=(text, audio, video), mask=batch.mask & kept)


def _random(seed: int, kind: str, segment: str) -> np.random.Generator:
    return generator(seed, "affectdiff", "corruption", kind, segment)
