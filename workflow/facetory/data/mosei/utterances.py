"""What a synthetic video holds: labels, words and their vectors, and frames of sound and sight (NumPy)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from facetory.data.mosei.spec import CorpusSpec
from facetory.pipeline.config import load_yaml
from facetory.pipeline.randomness import generator

COLUMNS = ("happy", "sad", "anger", "surprise", "disgust", "fear")
"""The emotions in the order of the label file's columns, which the sentiment precedes."""
WIDTHS = {"text": 300, "audio": 74, "video": 35}
PAUSE = "sp"
WORDS_RANGE = (5, 50)
Sequence = tuple[np.ndarray, np.ndarray]
"""Features (n, d) and intervals (n, 2) in seconds."""


def video(name: str, spec: CorpusSpec, planted: dict[str, Any]) -> dict[str, Sequence]:
    """The sequences of one video: "labels", "words", "text", "audio", "video"; a function of seed and name.

    Labels are (segments, 7): sentiment, then the emotions in `COLUMNS`' order.  Words are bytes, (words, 1).
    """
    draw = generator(spec.seed, "mosei", "labels", name)
    count = 1 + draw.poisson(max(spec.segments - 1, 0))
    labels = _labels(draw, count, planted["labels"])
    shares = _shares(labels[:, 1:])
    sarcasm = planted["sarcasm"]
    led = labels[:, 1:].argmax(1) == COLUMNS.index(sarcasm["emotion"])
    ironic = led & (shares.sum(1) > 0) & (draw.random(count) < sarcasm["share"])
    told = np.where(ironic[:, None], np.eye(6)[COLUMNS.index(sarcasm["words"])], shares)
    said = np.where(ironic, np.abs(labels[:, 0]), labels[:, 0])

    words, spans, segments = _speech(generator(spec.seed, "mosei", "words", name), told, said, spec, planted)
    loud = np.where(ironic, sarcasm["audio_factor"], 1.0)
    heard = generator(spec.seed, "mosei", "audio", name)
    seen = generator(spec.seed, "mosei", "video", name)
    return {
        "labels": (labels, segments),
        "words": (np.array(words, dtype="S32")[:, None], spans),
        "text": (np.stack([word_vector(word) for word in words]), spans),
        "audio": _frames(heard, "audio", shares * loud[:, None], labels[:, 0], segments, planted["audio"]),
        "video": _frames(seen, "video", shares, labels[:, 0], segments, planted["video"]),
    }


def _labels(draw: np.random.Generator, count: int, about: dict[str, Any]) -> np.ndarray:
    """Sentiment and intensities in thirds, (count, 7) float32."""
    odds = np.array([about["argmax_counts"][name] for name in COLUMNS], dtype=float)
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
    valence = np.array([about["valence"][name] for name in COLUMNS])
    sentiment = _shares(thirds) @ valence + about["valence_noise"] * draw.normal(size=count)
    return np.column_stack([np.clip(np.round(3 * sentiment), -9, 9), thirds]).astype(np.float32) / np.float32(
        3
    )


def _shares(intensities: np.ndarray) -> np.ndarray:
    return intensities / np.maximum(intensities.sum(1, keepdims=True), 1e-9)


def _speech(
    draw: np.random.Generator, told: np.ndarray, said: np.ndarray, spec: CorpusSpec, planted: dict[str, Any]
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Words with pauses, when each is said, (words, 2), and when each segment is, (segments, 2)."""
    about, vocabulary = planted["text"], load_vocabulary()
    factors = np.array([about["factors"][name] for name in COLUMNS])
    shortest, longest = WORDS_RANGE
    now, words, spans, segments = 0.3, [], [], []
    for shares, sentiment in zip(told, said, strict=True):
        count = shortest + round(draw.gamma(1.6, max(spec.words - shortest, 0) / 1.6))
        start = now
        for _ in range(min(count, longest)):
            word = _word(draw, shares * factors, (1 + sentiment / 3) / 2, about, vocabulary)
            for said_word, length in ((word, 0.15 + draw.exponential(0.15)), (PAUSE, draw.uniform(0.1, 0.5))):
                if said_word != PAUSE or draw.random() < about["pauses"]:
                    words.append(said_word)
                    spans.append((now, now := now + length))
        segments.append((start, now))
        now += draw.uniform(0.1, 1.5)
    return words, np.array(spans), np.array(segments)


def _word(
    draw: np.random.Generator, odds: np.ndarray, positive: float, about: dict[str, Any], vocabulary: Any
) -> str:
    kind, place, polarity = draw.random(3)
    edges = np.cumsum([about["emotion_words"] * odds.sum(), about["stray_words"], about["sentiment_words"]])
    if kind < edges[0]:
        list_ = vocabulary["emotions"][COLUMNS[draw.choice(6, p=odds / odds.sum())]]
    elif kind < edges[1]:
        list_ = vocabulary["emotions"][COLUMNS[draw.integers(6)]]
    elif kind < edges[2]:
        list_ = vocabulary["sentiment"]["positive" if polarity < positive else "negative"]
    else:
        list_ = vocabulary["neutral"]
    return list_[int(place * len(list_))]


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
    factors = np.array([about["factors"][name] for name in COLUMNS])
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
def load_vocabulary() -> Any:
    """The words of vocabulary.yaml."""
    return load_yaml(Path(__file__).with_name("vocabulary.yaml"))


@cache
def word_vector(word: str) -> np.ndarray:
    """A fixed vector for a word, (300,) float32: zero for a pause, otherwise drawn by the word's name."""
    drawn = generator(0, "mosei word", word).normal(scale=0.4, size=WIDTHS["text"])
    return (drawn * (word != PAUSE)).astype(np.float32)


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
