"""Splits: the published permutation, one that keeps videos whole and classes spread, the SDK's folds."""

import numpy as np
import pytest
import torch
from facetory.data.mosei.splits import SPLITS, split, standard_fold, standard_folds
from facetory.pipeline.files import FacetoryError
from hypothesis import given, settings
from hypothesis import strategies as st

SHARES = [0.559, 0.191, 0.138, 0.023, 0.066, 0.023]


def corpus(videos, each=7, seed=0):
    draw = np.random.default_rng(seed)
    labels = draw.choice(6, videos * each, p=SHARES)
    labels[draw.random(len(labels)) < 0.1] = -1
    return [f"v{i // each}" for i in range(len(labels))], labels


def test_the_random_split_is_the_released_one():
    labels = np.zeros(2795, np.int64)
    parts = split("random", ["v"] * 2795, labels)
    assert [len(parts[name]) for name in SPLITS] == [1956, 419, 420]
    order = torch.randperm(2795, generator=torch.Generator().manual_seed(42)).numpy()
    np.testing.assert_array_equal(np.concatenate([parts[name] for name in SPLITS]), order)
    assert not np.array_equal(split("random", ["v"] * 2795, labels, seed=1)["train"], parts["train"])


@pytest.mark.parametrize("rule", ["random", "stratified"])
def test_every_labelled_segment_is_in_one_split_and_no_other_is(rule):
    videos, labels = corpus(100)
    parts = split(rule, videos, labels)
    np.testing.assert_array_equal(np.sort(np.concatenate(list(parts.values()))), np.flatnonzero(labels >= 0))
    assert {part.dtype for part in parts.values()} == {np.dtype(np.int64)}
    again = split(rule, videos, labels)
    assert all(np.array_equal(parts[name], again[name]) for name in SPLITS)


def test_a_stratified_split_keeps_videos_whole_and_shares_alike():
    videos, labels = corpus(400)
    parts = split("stratified", videos, labels)
    names = [{videos[i] for i in parts[name]} for name in SPLITS]
    assert not names[0] & names[1] and not names[0] & names[2] and not names[1] & names[2]
    sizes = np.array([len(parts[name]) for name in SPLITS]) / (labels >= 0).sum()
    np.testing.assert_allclose(sizes, [0.7, 0.15, 0.15], atol=0.02)
    shares = np.array([np.bincount(labels[parts[name]], minlength=6) / len(parts[name]) for name in SPLITS])
    np.testing.assert_allclose(shares, np.tile(shares[0], (3, 1)), atol=0.04)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 4), min_size=6, max_size=40), st.integers(0, 3))
def test_a_class_of_three_videos_is_in_every_split(of_video, seed):
    """One class a video, two segments each: nothing stands in the way."""
    labels = np.repeat(of_video, 2)
    videos = [f"v{i // 2}" for i in range(len(labels))]
    many = [label for label in set(of_video) if of_video.count(label) >= 3]
    if not many:
        return
    parts = split("stratified", videos, labels, seed)
    for part in parts.values():
        assert set(many) <= set(labels[part])


def test_the_standard_folds_are_the_sdks():
    assert {name: len(videos) for name, videos in standard_folds().items()} == {
        "train": 2250,
        "validation": 300,
        "test": 678,
    }
    assert standard_fold("hh04W3xXa5s") == "train" and standard_fold("nobody") is None
    a, b, c = (sorted(standard_folds()[name])[0] for name in SPLITS)
    parts = split("standard", [c, "nobody", a, b, a], np.array([0, 1, 2, 3, -1]))
    assert {name: part.tolist() for name, part in parts.items()} == {
        "train": [2],
        "validation": [3],
        "test": [0],
    }


@pytest.mark.parametrize("rule", ["random", "stratified", "standard"])
def test_too_few_segments_are_an_error_that_counts_them(rule):
    with pytest.raises(FacetoryError, match=f"the {rule} split of 2 segments of 2 videos has no"):
        split(rule, ["a", "b"], np.array([0, 1]))
