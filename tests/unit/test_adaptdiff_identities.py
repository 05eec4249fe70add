"""AdaptDiff's identities: a seeded sphere, and whom among it each identity is led away from."""

import numpy as np
import pytest
from facetory.adaptdiff.identities import draw_identities, read_pool, sphere
from facetory.adaptdiff.negatives import partners, random_partners
from facetory.adaptdiff.spec import IdentitiesSpec
from facetory.pipeline.files import FacetoryError, read_json, write_tensors
from hypothesis import given, settings
from hypothesis import strategies as st


def plainly(contexts):
    """The definition, one identity at a time: the others in ascending order of (cosine, index)."""
    cosines = (contexts.astype(np.float64) @ contexts.astype(np.float64).T).astype(np.float32)
    found = {"far": [], "mid": [], "close": []}
    for i, row in enumerate(cosines):
        others = sorted((cosine, j) for j, cosine in enumerate(row) if j != i)
        least, middle, most = others[0][0], others[(len(others) - 1) // 2][0], others[-1][0]
        for name, value in (("far", least), ("mid", middle), ("close", most)):
            found[name].append(next(j for cosine, j in others if cosine == value))
    return found


def test_points_have_length_one_and_no_direction():
    points = sphere(4000, 16, 0)
    assert points.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(points.mean(0), 0, atol=4 / np.sqrt(4000 * 16))
    np.testing.assert_allclose(points.T @ points / 4000, np.eye(16) / 16, atol=0.006)


def test_a_point_is_its_seeds_and_numbers():
    np.testing.assert_array_equal(sphere(40, 8, 3)[:7], sphere(7, 8, 3))
    assert not np.allclose(sphere(7, 8, 3), sphere(7, 8, 4))


@pytest.mark.parametrize("count", [2, 3, 4, 99, 100])
@pytest.mark.parametrize("rows", [1, 7, 512])
def test_blocks_give_the_partners_of_the_whole_matrix(count, rows):
    contexts = sphere(count, 6, 1)
    for name, expected in plainly(contexts).items():
        np.testing.assert_array_equal(partners(contexts, rows)[name], expected, name)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=24), st.integers(1, 9))
def test_equal_identities_tie_to_the_lowest_index(copies, rows):
    """A pool with doubles: whose partner is a double, it is the first of them, and never oneself."""
    contexts = sphere(5, 32, 2)[copies]
    found = partners(contexts, rows)
    for name, expected in plainly(contexts).items():
        np.testing.assert_array_equal(found[name], expected, name)
        assert (found[name] != np.arange(len(contexts))).all()


def test_partners_on_a_half_circle_are_known():
    """Angles 0°, 30°, 70°, 125°, 170°: of the four others the lower median is the second farthest."""
    angles = np.radians([0, 30, 70, 125, 170])
    found = partners(np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32))
    assert found["far"].tolist() == [4, 4, 4, 0, 0]
    assert found["close"].tolist() == [1, 0, 1, 4, 3]
    assert found["mid"].tolist() == [3, 3, 0, 1, 1]


def test_random_partners_are_others_drawn_evenly():
    chosen = np.stack([random_partners(5, seed) for seed in range(2000)])
    assert (chosen != np.arange(5)).all()
    counts = np.stack([np.bincount(column, minlength=5) for column in chosen.T])
    np.testing.assert_allclose(counts[~np.eye(5, dtype=bool)], 500, atol=90)
    np.testing.assert_array_equal(random_partners(50, 1), random_partners(50, 1))


def test_a_pool_of_one_is_refused():
    with pytest.raises(FacetoryError, match="pool of 1 has nobody"):
        partners(sphere(1, 8, 0))


def test_the_stored_pool_is_read_back_and_watched_over(tmp_path):
    spec = IdentitiesSpec(count=9, size=8, seed=5)
    draw_identities(spec, tmp_path)
    pool, path = read_pool(tmp_path / "identities.safetensors"), tmp_path / "identities.safetensors"
    np.testing.assert_array_equal(pool.contexts, sphere(9, 8, 5))
    np.testing.assert_array_equal(pool.negatives("far"), pool.contexts[partners(pool.contexts)["far"]])
    np.testing.assert_array_equal(pool.negatives("random"), pool.contexts[random_partners(9, 5)])
    assert not pool.negatives("null").any()
    assert read_json(tmp_path / "manifest.json")["status"] == "drawn"
    write_tensors(path, {"contexts": sphere(9, 8, 6), **pool.partners})
    with pytest.raises(FacetoryError, match="not the one of its manifest"):
        read_pool(path)


@pytest.mark.slow
def test_fifteen_thousand_identities_find_their_partners_in_blocks():
    found = partners(sphere(15_000, 512, 0))
    assert all(len(of_kind) == 15_000 for of_kind in found.values())
