"""Aligned segments with the corpus's traps: ragged, with NaN, infinities and modalities that are missing."""

import numpy as np
from facetory.data.mosei.segments import Segments
from facetory.data.mosei.spec import MODALITIES

DIMS = (5, 4, 3)


def segments(count, seed=0, strength=2.0, dims=DIMS):
    """Segments, three a video, whose every modality tells the strongest emotion by ``strength``."""
    random = np.random.default_rng(seed)
    intensities = np.zeros((count, 6), np.float32)
    strongest = random.choice(6, count, p=[0.4, 0.2, 0.15, 0.1, 0.1, 0.05])
    intensities[np.arange(count), strongest] = random.integers(1, 10, count) / 3
    intensities[::11] = 0
    lengths = random.integers(1, 10, count)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    streams, valid = {}, {}
    for modality, size in zip(MODALITIES, dims, strict=True):
        directions = random.normal(size=(6, size))
        rows = strength * directions[np.repeat(strongest, lengths)]
        streams[modality] = (3 + rows + random.normal(size=rows.shape)).astype(np.float32)
        valid[modality] = np.ones(len(rows), bool)
    streams["audio"][::13, 1], streams["audio"][5, 0] = -np.inf, np.nan
    valid["video"][np.repeat(np.arange(count) % 5 == 2, lengths)] = False
    streams["video"][~valid["video"]] = np.nan
    return Segments(
        streams=streams,
        offsets=dict.fromkeys(MODALITIES, offsets),
        valid=valid,
        intensities=intensities,
        sentiment=random.uniform(-3, 3, count).astype(np.float32),
        intervals=np.zeros((count, 2)),
        segment_ids=[f"video{i // 3}[{i}]" for i in range(count)],
        about={"title": "drawn", "synthetic": True},
    )
