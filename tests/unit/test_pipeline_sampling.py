"""A balanced part of a split depends on sample ids alone."""

import numpy as np
from facetory.pipeline.sampling import balanced, spread
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 9))
def test_each_class_has_its_share(labels, per_class):
    labels = np.array(labels)
    kept = balanced(labels, [f"s{i}" for i in range(len(labels))], per_class)
    assert list(kept) == sorted(set(kept))
    for label in set(labels):
        assert (labels[kept] == label).sum() == min(per_class, (labels == label).sum())


@given(st.permutations(range(12)))
def test_the_order_of_the_split_does_not_matter(order):
    labels, ids = np.arange(12) % 3, [f"s{i}" for i in range(12)]
    usual = {ids[i] for i in balanced(labels, ids, 2)}
    assert {ids[order[i]] for i in balanced(labels[order], [ids[k] for k in order], 2)} == usual


def test_a_part_of_a_part_is_the_part():
    labels, ids = np.arange(20) % 2, [f"s{i}" for i in range(20)]
    first = balanced(labels, ids, 3)
    again = balanced(labels[first], [ids[i] for i in first], 3)
    assert list(again) == list(range(6)) and list(balanced(labels, ids, None)) == list(range(20))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 70))
def test_a_number_of_samples_is_spread_over_the_classes(labels, count):
    """No class has two more than another unless that one is used up."""
    labels, ids = np.array(labels), [f"s{i}" for i in range(len(labels))]
    kept = spread(labels, ids, count)
    assert list(kept) == sorted(set(kept)) and len(kept) == min(count, len(labels))
    taken = np.bincount(labels[kept], minlength=4)
    short = [taken[label] for label in set(labels) if taken[label] < (labels == label).sum()]
    assert taken.max() - min(short, default=taken.max()) <= 1
    assert {*spread(labels, ids, max(count - 1, 1))} <= {*kept}
