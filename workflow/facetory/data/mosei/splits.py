"""Splits of the segments: at random as published, stratified by video, and the SDK's standard folds."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np

from facetory.pipeline.files import FacetoryError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
FOLDS = {"train": 14, "validation": 3, "test": 3}
"""Twentieths of the videos in each split of a stratified one: 70/15/15."""


def split(
    rule: Literal["random", "stratified", "standard"],
    videos: Sequence[str],
    labels: np.ndarray,
    seed: int = 42,
) -> dict[Split, np.ndarray]:
    """Positions (int64) of the labelled segments (label ≥ 0) in each split.

    - "random": 70/15/15 of the segments, permuted as released; segments of a video fall into several splits.
    - "stratified": 70/15/15, every video in one split, the classes in like shares; a class is in every split
      when three videos or more show it and no other class would be lost by it.
    - "standard": the SDK's lists of videos; a video on none of them is in no split.

    Raises `FacetoryError` when a split would be empty.
    """
    labelled = np.flatnonzero(np.asarray(labels) >= 0)
    names = np.asarray(videos, dtype=object)[labelled]
    if rule == "random":
        parts = _random(len(labelled), seed)
    elif rule == "stratified":
        parts = _stratified(names, np.asarray(labels)[labelled], seed)
    else:
        fold = np.array([standard_fold(name) or "" for name in names], dtype=object)
        parts = {part: np.flatnonzero(fold == part) for part in SPLITS}
    empty = [part for part in SPLITS if not len(parts[part])]
    if empty:
        raise FacetoryError(
            f"the {rule} split of {len(labelled)} segments of {len(set(names))} videos has no "
            f"{' and no '.join(empty)} segments. Use more videos, or another split."
        )
    return {part: labelled[parts[part]].astype(np.int64) for part in SPLITS}


def standard_fold(video: str) -> Split | None:
    """The split of a video in the SDK's standard folds, or None."""
    return next((part for part in SPLITS if video in standard_folds()[part]), None)


@cache
def standard_folds() -> dict[Split, frozenset[str]]:
    """The SDK's standard folds: 2,250/300/678 videos in cmu-multimodal-sdk 0.0.6 (2,249 in other copies)."""
    try:
        from mmsdk.mmdatasdk.dataset.standard_datasets.CMU_MOSEI import cmu_mosei_std_folds as folds
    except ImportError as error:
        raise FacetoryError("the standard folds need the SDK: pip install cmu-multimodal-sdk") from error
    lists = (folds.standard_train_fold, folds.standard_valid_fold, folds.standard_test_fold)
    return {part: frozenset(videos) for part, videos in zip(SPLITS, lists, strict=True)}


def _random(n: int, seed: int) -> dict[Split, np.ndarray]:
    import torch

    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).numpy()
    train, validation = int(0.70 * n), int(0.85 * n)
    return {"train": order[:train], "validation": order[train:validation], "test": order[validation:]}


def _stratified(videos: np.ndarray, labels: np.ndarray, seed: int) -> dict[Split, np.ndarray]:
    """Twenty folds of videos by `StratifiedGroupKFold`, then `_spread` for the rarest classes."""
    from sklearn.model_selection import StratifiedGroupKFold

    names, video = np.unique(videos.astype(str), return_inverse=True)
    per_class = np.bincount(labels)
    total = min(sum(FOLDS.values()), len(names), int(per_class.max(initial=0)))
    if total < len(SPLITS):
        return {part: np.empty(0, np.int64) for part in SPLITS}
    held = [max(1, round(total * FOLDS[part] / sum(FOLDS.values()))) for part in SPLITS[1:]]
    bounds = np.cumsum([total - sum(held), *held])
    folds = StratifiedGroupKFold(total, shuffle=True, random_state=seed)
    part_of = np.empty(len(names), np.int64)
    with warnings.catch_warnings():  # a class with fewer segments than folds is spread below
        warnings.simplefilter("ignore", UserWarning)
        for fold, (_, chosen) in enumerate(folds.split(labels, labels, video)):
            part_of[video[chosen]] = np.searchsorted(bounds, fold, "right")
    shown = np.zeros((len(names), len(per_class)), bool)
    shown[video, labels] = True
    _spread(part_of, shown)
    return {part: np.flatnonzero(part_of[video] == k) for k, part in enumerate(SPLITS)}


def _spread(part_of: np.ndarray, shown: np.ndarray) -> None:
    """Move videos, rarest class first, until no split lacks a class that another can spare.

    ``part_of`` (videos,) is changed in place; ``shown`` (videos, classes).  The donor is the split with most
    videos of the class; a video that would leave it without some class stays.
    """
    for label in np.argsort(shown.sum(axis=0), kind="stable"):
        for part in range(len(SPLITS)):
            having = [int((shown[:, label] & (part_of == k)).sum()) for k in range(len(SPLITS))]
            if having[part]:
                continue
            for donor in np.argsort([-count for count in having], kind="stable"):
                others = shown[part_of == donor].sum(axis=0)
                fit = (part_of == donor) & shown[:, label] & ((others - shown >= 1) | ~shown).all(axis=1)
                if fit.any():
                    part_of[np.flatnonzero(fit)[0]] = part
                    break
