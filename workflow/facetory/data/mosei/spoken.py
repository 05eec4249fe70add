"""The words of a synthetic video: which are said when, and the vector of each (NumPy)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from facetory.data.mosei.labels import INTENSITIES
from facetory.pipeline.config import load_yaml
from facetory.pipeline.randomness import generator

WIDTH = 300
"""Length of a word vector (GloVe's)."""
PAUSE = "sp"
LENGTHS = (5, 50)
"""Fewest and most words of a segment."""


def speech(
    draw: np.random.Generator, told: np.ndarray, said: np.ndarray, mean: float, about: dict[str, Any]
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Words with pauses, when each is said, (words, 2), and when each segment is, (segments, 2) seconds.

    ``told`` (segments, 6) are the emotions' shares in what the words say and ``said`` (segments,) its
    sentiment; ``mean`` is how many words a segment has on average, ``about`` synthetic.yaml's "text".
    """
    factors = np.array([about["factors"][name] for name in INTENSITIES])
    fewest, most = LENGTHS
    now = 0.3
    words: list[str] = []
    spans, segments = [], []
    for shares, sentiment in zip(told, said, strict=True):
        count = fewest + round(draw.gamma(1.6, max(mean - fewest, 0) / 1.6))
        start = now
        for _ in range(min(count, most)):
            words.append(_word(draw, shares * factors, (1 + sentiment / 3) / 2, about))
            spans.append((now, now := now + 0.15 + draw.exponential(0.15)))
            if draw.random() < about["pauses"]:
                words.append(PAUSE)
                spans.append((now, now := now + draw.uniform(0.1, 0.5)))
        segments.append((start, now))
        now += draw.uniform(0.1, 1.5)
    return words, np.array(spans), np.array(segments)


def _word(draw: np.random.Generator, odds: np.ndarray, positive: float, about: dict[str, Any]) -> str:
    choice, place, polarity = draw.random(3)
    edges = np.cumsum([about["emotion_words"] * odds.sum(), about["stray_words"], about["sentiment_words"]])
    if choice < edges[0]:
        kind = INTENSITIES[draw.choice(6, p=odds / odds.sum())]
    elif choice < edges[1]:
        kind = INTENSITIES[draw.integers(6)]
    elif choice < edges[2]:
        kind = "positive" if polarity < positive else "negative"
    else:
        kind = "neutral"
    words = vocabulary()[kind]
    return words[int(place * len(words))]


@cache
def vocabulary() -> dict[str, tuple[str, ...]]:
    """The words of vocabulary.yaml: neutral ones, those of each emotion, positive and negative ones."""
    content = load_yaml(Path(__file__).with_name("vocabulary.yaml"))
    return {kind: tuple(words) for kind, words in content.items()}


@cache
def word_vector(word: str, kinship: float) -> np.ndarray:
    """A fixed vector for a word, (300,) float32, drawn by its name; zero for a pause.

    Words of one emotion or sentiment have ``kinship`` of their variance in common.
    """
    if word == PAUSE:
        return np.zeros(WIDTH, np.float32)
    own = generator(0, "mosei word", word).normal(size=WIDTH)
    kind = next(kind for kind, words in vocabulary().items() if word in words)
    if kind != "neutral":
        common = generator(0, "mosei words", kind).normal(size=WIDTH)
        own = np.sqrt(kinship) * common + np.sqrt(1 - kinship) * own
    return (0.4 * own).astype(np.float32)
