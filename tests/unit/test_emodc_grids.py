import pytest
from facetory.emodc.grids import (
    SWEEP,
    evaluation_timesteps,
    grid,
    one_step_timestep,
    paper_timestep,
    union,
)
from facetory.pipeline.files import FacetoryError
from hypothesis import given, settings
from hypothesis import strategies as st


def test_grids_of_the_reference_code():
    assert grid(1) == (500,)
    assert grid(10) == tuple(range(50, 1000, 100))
    assert grid(100) == tuple(range(5, 1000, 10))
    assert grid(200) == tuple(range(2, 1000, 5))
    assert grid(500) == tuple(range(1, 1000, 2))
    assert grid(1000) == tuple(range(1000))


@settings(deadline=None)
@given(st.integers(1, 1000))
def test_a_grid_has_that_many_timesteps(steps):
    assert len(set(grid(steps))) == steps
    assert min(grid(steps)) >= 0 and max(grid(steps)) < 1000


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_impossible_grids_are_refused(steps):
    with pytest.raises(FacetoryError, match=r"outside 1\.\.1000"):
        grid(steps)


def test_the_paper_counts_from_one():
    assert (paper_timestep(1), paper_timestep(1000)) == (0, 999)
    assert SWEEP == (0, 99, 199, 299, 399, 499, 599, 699, 799, 899, 999)


def test_single_timesteps_of_the_losses():
    assert [one_step_timestep(loss) for loss in ("zero_shot", "base", "codit")] == [399] * 3
    assert [one_step_timestep(loss) for loss in ("fmdit", "amdit")] == [99] * 2
    assert evaluation_timesteps("amdit", 1) == (99,) and evaluation_timesteps("amdit", 10) == grid(10)


def test_one_record_serves_every_column():
    everything = union(SWEEP, grid(10), grid(100), (399,))
    assert everything == tuple(sorted(everything))
    assert all({*part} <= {*everything} for part in (SWEEP, grid(10), grid(100)))
    assert len(everything) == 11 + 10 + 100
