"""The faults of a real copy of CMU-MOSEI, planted in a synthetic one: each reader has to survive them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from facetory.data.mosei.spec import MODALITIES
from facetory.data.mosei.utterances import Sequence
from facetory.pipeline.randomness import generator, sample_keys, stream_key, uniform

OF_VIDEOS = ("empty_segments", "unsorted_labels", "overlapping_labels", "unequal_lengths", "missing_modality")
GLOTTAL = slice(2, 5)
"""COVAREP's features that become −inf in silence."""
BURST = 10
"""Frames without a face come in runs of this length."""


def victims(names: list[str], traps: Mapping[str, float], seed: int) -> dict[str, set[str]]:
    """Which videos each trap of whole videos catches: its share of them, by keyed draw.

    It is one at least, and a quarter at most (so none of fewer than four).
    """
    caught = {}
    for trap in OF_VIDEOS:
        count = min(math.ceil(traps.get(trap, 0) * len(names) - 1e-9), len(names) // 4)
        draws = uniform(stream_key(seed, "mosei trap", trap), sample_keys(names), 0, 1)[:, 0]
        caught[trap] = {names[place] for place in np.argsort(draws)[:count]}
    return caught


def spoil(
    name: str,
    content: dict[str, Sequence],
    traps: Mapping[str, float],
    caught: Mapping[str, set[str]],
    seed: int,
) -> dict[str, Sequence]:
    """The sequences of a video with its faults; those of frames, words and segments are drawn by its name."""
    draw = generator(seed, "mosei traps", name)
    faulty = {key: (features.copy(), intervals.copy()) for key, (features, intervals) in content.items()}
    _frames(draw, faulty, traps)
    _words(draw, faulty, traps)
    _labels(draw, faulty, traps, {trap for trap in OF_VIDEOS if name in caught[trap]})
    odd = MODALITIES[draw.integers(3)]
    features, intervals = faulty[odd]
    if name in caught["unequal_lengths"]:
        longer = np.concatenate([features, features[-1:]])
        faulty[odd] = (longer if draw.random() < 0.5 else features[:-1], intervals)
    if name in caught["missing_modality"]:
        for key in ("text", "words") if odd == "text" else (odd,):
            del faulty[key]
    return faulty


def _frames(draw: np.random.Generator, content: dict[str, Sequence], traps: Mapping[str, float]) -> None:
    audio, video = content["audio"][0], content["video"][0]
    audio[draw.random(len(audio)) < traps.get("infinite_frames", 0), GLOTTAL] = -np.inf
    starts = draw.random(-(-len(video) // BURST)) < traps.get("faceless_frames", 0)
    video[np.repeat(starts, BURST)[: len(video)]] = np.nan


def _words(draw: np.random.Generator, content: dict[str, Sequence], traps: Mapping[str, float]) -> None:
    spans = content["words"][1]
    empty = draw.random(len(spans)) < traps.get("empty_words", 0)
    spans[empty, 1] = spans[empty, 0]
    content["text"] = (content["text"][0], spans.copy())


def _labels(
    draw: np.random.Generator, content: dict[str, Sequence], traps: Mapping[str, float], of_video: set[str]
) -> None:
    labels, segments = content["labels"]
    impossible = np.flatnonzero(draw.random(len(labels)) < traps.get("impossible_labels", 0))
    columns = draw.integers(7, size=len(impossible))
    labels[impossible, columns] = np.where(columns == 0, -4, 10 / 3)
    if "overlapping_labels" in of_video and len(segments) > 1:
        first = draw.integers(len(segments) - 1)
        segments[first, 1] = segments[first + 1].mean()
    if "empty_segments" in of_video:
        at = segments[draw.integers(len(segments)), 0]
        labels, segments = np.concatenate([labels, labels[-1:]]), np.concatenate([segments, [[at, at]]])
    if "unsorted_labels" in of_video:
        order = draw.permutation(len(segments))
        labels, segments = labels[order], segments[order]
    content["labels"] = (labels, segments)
