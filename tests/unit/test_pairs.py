"""Verification pairs: balanced, nobody in two folds, no pair twice, the same for any order of the rows."""

import numpy as np
import pytest
from facetory.faces.pairs import draw_pairs
from facetory.pipeline.files import FacetoryError
from hypothesis import given
from hypothesis import strategies as st


def photographs(*images):
    """identity and image of people with so many images each."""
    identity = np.repeat(np.arange(len(images)), images)
    return identity, np.concatenate([np.arange(count) for count in images])


def check(identity, drawn):
    owners = identity[drawn.first], identity[drawn.second]
    assert ((owners[0] == owners[1]) == drawn.same).all()
    assert (drawn.first != drawn.second).all()
    rows = np.sort(np.stack([drawn.first, drawn.second], 1), 1)
    assert len(np.unique(rows, axis=0)) == len(rows)
    folds = [set(np.concatenate(owners)[np.tile(drawn.fold, 2) == fold]) for fold in np.unique(drawn.fold)]
    assert len(set().union(*folds)) == sum(map(len, folds))
    for fold in np.unique(drawn.fold):
        assert 2 * drawn.same[drawn.fold == fold].sum() == (drawn.fold == fold).sum()


def test_orl_has_at_most_3600_balanced_pairs():
    identity, image = photographs(*[10] * 40)
    drawn = draw_pairs(identity, image, 6000, 10)
    check(identity, drawn)
    assert np.bincount(drawn.fold).tolist() == [360] * 10  # 4 people with 45 pairs of their own


def test_fewer_are_drawn_evenly():
    identity, image = photographs(*[10] * 40)
    drawn = draw_pairs(identity, image, 1006, 10)
    check(identity, drawn)
    assert np.bincount(drawn.fold).tolist() == [102] * 3 + [100] * 7
    assert len(np.unique(drawn.fold)) == 10 and (np.diff(drawn.fold) >= 0).all()


@given(
    st.lists(st.integers(1, 6), min_size=8, max_size=30),
    st.integers(2, 4),
    st.integers(0, 5),
    st.integers(8, 200),
)
def test_any_people_and_images(images, folds, seed, pairs):
    identity, image = photographs(*images)
    try:
        drawn = draw_pairs(identity, image, pairs, folds, seed)
    except FacetoryError as error:
        assert "make no pair of one person" in str(error) and min(images) == 1
    else:
        check(identity, drawn)
        assert len(drawn.same) <= pairs


def test_the_order_of_the_rows_does_not_matter_and_the_seed_does():
    identity, image = photographs(*[5] * 20)
    order = np.random.default_rng(0).permutation(len(identity))

    def named(rows, drawn):
        return [
            [(int(identity[rows[i]]), int(image[rows[i]])) for i in side]
            for side in (drawn.first, drawn.second)
        ]

    straight = draw_pairs(identity, image, 100, 5, seed=3)
    shuffled = draw_pairs(identity[order], image[order], 100, 5, seed=3)
    assert named(np.arange(100), straight) == named(order, shuffled)
    assert (draw_pairs(identity, image, 100, 5, seed=4).first != straight.first).any()


def test_every_possible_pair_is_as_likely_as_another():
    identity, image = photographs(3, 2, 4, 1)
    counts = {}
    for seed in range(3000):
        drawn = draw_pairs(identity, image, 2, 1, seed)
        for pair in zip(drawn.first.tolist(), drawn.second.tolist(), strict=True):
            counts[pair] = counts.get(pair, 0) + 1
    genuine = [count for (a, b), count in counts.items() if identity[a] == identity[b]]
    impostor = [count for (a, b), count in counts.items() if identity[a] != identity[b]]
    assert len(genuine) == 3 + 1 + 6 and len(impostor) == 45 - 10
    assert np.ptp(genuine) < 0.4 * np.mean(genuine) and np.ptp(impostor) < np.mean(impostor)


def test_many_images_are_not_listed_as_pairs():
    identity, image = photographs(*[50] * 4000)  # 2 · 10¹⁰ impostor pairs
    drawn = draw_pairs(identity, image, 6000, 10)
    check(identity, drawn)
    assert len(drawn.same) == 6000


@pytest.mark.parametrize(
    ("images", "pairs", "problem"),
    [
        ([5] * 19, 100, "10 folds .* need 20 people .* there are 19 people"),
        ([5] * 20, 19, "20 people and 19 pairs"),
        ([1] * 40, 100, "make no pair of one person"),
    ],
)
def test_too_little_is_an_error(images, pairs, problem):
    with pytest.raises(FacetoryError, match=problem):
        draw_pairs(*photographs(*images), pairs, 10)
