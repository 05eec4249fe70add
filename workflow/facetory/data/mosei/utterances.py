"""What a synthetic video holds: labels, words and their vectors, and frames of sound and sight (NumPy)."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from facetory.data.mosei.labels import INTENSITIES
from facetory.data.mosei.spec import CorpusSpec
from facetory.data.mosei.spoken import speech, word_vector
from facetory.pipeline.randomness import generator

WIDTHS = {"audio": 74, "video": 35}
Sequence = tuple[np.ndarray, np.ndarray]
"""Features (n, d) and intervals (n, 2) in seconds."""


def video(name: str, spec: CorpusSpec, planted: dict[str, Any]) -> dict[str, Sequence]:
    """The sequences of one video: "labels", "words", "text", "audio", "video"; a function of seed and name.

    Labels are (segments, 7), sentiment and then emotions as in `INTENSITIES`; words are bytes (words, 1).
    """
    draw = generator(spec.seed, "mosei", "labels", name)
    count = 1 + draw.poisson(max(spec.segments - 1, 0))
    values = labels(draw, count, planted["labels"])
    shares = _shares(values[:, 1:])
    sarcasm = planted["sarcasm"]
    led = values[:, 1:].argmax(1) == INTENSITIES.index(sarcasm["emotion"])
    ironic = led & (shares.sum(1) > 0) & (draw.random(count) < sarcasm["share"])
    told = np.where(ironic[:, None], np.eye(6)[INTENSITIES.index(sarcasm["words"])], shares)
    said = np.where(ironic, np.abs(values[:, 0]), values[:, 0])

    words, spans, segments = speech(
        generator(spec.seed, "mosei", "words", name), told, said, spec.words, planted["text"]
    )
    loud = np.where(ironic, sarcasm["audio_factor"], 1.0)
    heard = generator(spec.seed, "mosei", "audio", name)
    seen = generator(spec.seed, "mosei", "video", name)
    return {
        "labels": (values, segments),
        "words": (np.array(words, dtype="S32")[:, None], spans),
        "text": (np.stack([word_vector(word, planted["text"]["kinship"]) for word in words]), spans),
        "audio": _frames(heard, "audio", shares * loud[:, None], values[:, 0], segments, planted["audio"]),
        "video": _frames(seen, "video", shares, values[:, 0], segments, planted["video"]),
    }


def labels(draw: np.random.Generator, count: int, about: dict[str, Any]) -> np.ndarray:
    """Sentiment and intensities of independent segments, in thirds, (count, 7) float32."""
    odds = np.array([about["argmax_counts"][name] for name in INTENSITIES], dtype=float)
    odds /= odds.sum()
    thirds = np.zeros((count, 6), dtype=np.int64)
    for row, lead in zip(thirds, draw.choice(6, count, p=odds), strict=True):
        level = 1 + draw.choice(9, p=about["levels"])
        tie, weaker, silent = draw.random(3)
        row[lead] = level
        later = odds * (np.arange(6) > lead)  # of two maxima the first one counts, as in the published counts
        if tie < about["ties"] / (1 - odds[-1]) and lead < 5:
            row[draw.choice(6, p=later / later.sum())] = level
        elif weaker < about["second"] and level > 1:
            row[(lead + draw.integers(1, 6)) % 6] = draw.integers(1, level)
        row *= silent >= about["silent"]
    valence = np.array([about["valence"][name] for name in INTENSITIES])
    sentiment = _shares(thirds) @ valence + about["valence_noise"] * draw.normal(size=count)
    rounded = np.clip(np.round(3 * sentiment), -9, 9)
    return np.column_stack([rounded, thirds]).astype(np.float32) / np.float32(3)


def _shares(intensities: np.ndarray) -> np.ndarray:
    return intensities / np.maximum(intensities.sum(1, keepdims=True), 1e-9)


def _frames(
    draw: np.random.Generator,
    modality: str,
    shares: np.ndarray,
    sentiment: np.ndarray,
    segments: np.ndarray,
    about: dict[str, Any],
) -> Sequence:
    """Frames of a whole video: latent means where the segment's bursts carry them, noise, speaker, scales."""
    from scipy.signal import lfilter

    width, rate = WIDTHS[modality], about["rate_hz"]
    count = int(np.ceil((segments[-1, 1] + 0.3) * rate))
    times = np.arange(count + 1) / rate
    factors = np.array([about["factors"][name] for name in INTENSITIES])
    means = np.column_stack([about["separation"] * factors * shares, about["sentiment"] * sentiment])
    latent = means + draw.normal(size=means.shape)
    place = np.searchsorted(segments[:, 0], times[:-1], side="right") - 1
    bursts = draw.random(int(times[-1] / about["burst_s"]) + 1) < about["share_of_frames"]
    carries = bursts[(times[:-1] / about["burst_s"]).astype(int)] & (place >= 0)
    carries &= times[:-1] < segments[place, 1]
    memory = np.exp(-1 / (rate * about["correlation_s"]))
    white = draw.normal(size=(count, width)) * np.sqrt(1 - memory**2)
    noise = about["frame_noise"] * lfilter([1], [1, -memory], white, axis=0)
    speaker = about["speaker"] * draw.normal(size=width)
    values = carries[:, None] * latent[place] @ directions(modality).T + noise + speaker
    offset, scale = scales(modality)
    return (offset + scale * values).astype(np.float32), np.column_stack([times[:-1], times[1:]])


@cache
def directions(modality: str) -> np.ndarray:
    """Orthonormal directions of the six emotions and the sentiment in a modality's features, (width, 7)."""
    drawn = generator(0, "mosei directions", modality).normal(size=(WIDTHS[modality], 7))
    return np.linalg.qr(drawn)[0]


@cache
def scales(modality: str) -> Sequence:
    """Offset and scale of each feature, as unlike as COVAREP's (F0 in Hz, then glottal and spectral ones)."""
    if modality == "audio":
        groups = [(1, 180, 40), (1, 0.6, 0.2), (9, 0.3, 0.1), (25, 0, 1), (25, 0, 0.5), (13, 1, 0.2)]
    else:
        groups = [(10, 0, 1.5), (25, 0.3, 0.3)]
    table = np.concatenate([np.tile([[offset, scale]], (count, 1)) for count, offset, scale in groups])
    return table[:, 0], table[:, 1]
