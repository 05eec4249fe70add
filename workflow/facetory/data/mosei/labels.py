"""Classes from CMU-MOSEI's intensities: six emotions by a stated rule, sentiment in seven or two."""

from __future__ import annotations

from typing import Literal

import numpy as np

Rule = Literal["argmax", "swapped", "rule"]
COLUMNS = ("sentiment", "happy", "sad", "anger", "surprise", "disgust", "fear")
"""Columns of CMU_MOSEI_Labels.csd."""
INTENSITIES = COLUMNS[1:]
CLASSES = ("happy", "sad", "anger", "fear", "disgust", "surprise")
"""The paper's class order, in MOSEI's words (Affect-Diff, Table III)."""
TO_CLASS = np.array([CLASSES.index(name) for name in INTENSITIES])
"""The class of each column of intensities; it is its own inverse."""
LIMITS = np.array([(-3.0, 3.0), *[(0.0, 3.0)] * 6])
"""Range of each column."""


def emotion_labels(intensities: np.ndarray, rule: Rule) -> np.ndarray:
    """The emotion of each segment, (n,) int64 in the paper's class order; −1 is unlabelled.

    ``intensities`` (n, 6) are in MOSEI's column order (`INTENSITIES`).

    - "argmax": the strongest emotion (Affect-Diff, Section II-B); ties and rows of zeros go to the first
      class, so that 14.9 % of the segments, which show no emotion, count as Happy.
    - "swapped": the same as released, whose column names are wrong: surprise is read as fear and fear as
      surprise, so these two classes are exchanged in every published table.
    - "rule": a row of zeros is unlabelled; ties go to the first column in MOSEI's order.
    """
    if rule == "swapped":
        return intensities.argmax(axis=1).astype(np.int64)
    if rule == "argmax":
        return intensities[:, TO_CLASS].argmax(axis=1).astype(np.int64)
    shown = (intensities > 0).any(axis=1)
    return np.where(shown, TO_CLASS[intensities.argmax(axis=1)], -1).astype(np.int64)


def sentiment_labels(sentiment: np.ndarray, classes: Literal[7, 2]) -> np.ndarray:
    """The sentiment of each segment, (n,) int64.

    Seven classes: −3 … +3 as 0 … 6, rounded half to even as released (`np.round`) and clipped; two: 0 is
    negative (< 0), 1 is not (≥ 0), as released.
    """
    if classes == 7:
        return np.clip(np.round(sentiment), -3, 3).astype(np.int64) + 3
    return (sentiment >= 0).astype(np.int64)
