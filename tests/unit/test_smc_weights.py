import math

import pytest
import torch
from facetory.smc.weights import effective_sample_size, normalised
from hypothesis import given, settings
from hypothesis import strategies as st

INF, NAN = math.inf, math.nan
ANY = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([-INF, INF, NAN]))


def weights(*log_weights):
    return normalised(torch.tensor([log_weights], dtype=torch.float64)).exp()[0].tolist()


def test_weights_of_a_row_sum_to_one():
    assert weights(math.log(1), math.log(3)) == pytest.approx([0.25, 0.75])
    assert weights(-1e4, -1e4 + math.log(3)) == pytest.approx([0.25, 0.75])
    assert weights(0.0, -INF) == [1.0, 0.0]


def test_where_every_score_is_zero_nothing_tells_the_particles_apart():
    assert weights(-INF, -INF, -INF, -INF) == [0.25] * 4
    assert weights(-INF, NAN, -INF) == [0.5, 0.0, 0.5]
    assert weights(NAN, NAN) == [0.5, 0.5]
    assert weights(NAN, INF, -3.0) == [0.0, 0.0, 1.0]


@settings(deadline=None)
@given(st.lists(ANY, min_size=1, max_size=9))
def test_whatever_the_scores_the_weights_are_weights(log_weights):
    found = normalised(torch.tensor([log_weights], dtype=torch.float64))
    assert found.exp().sum().item() == pytest.approx(1)
    assert 1 - 1e-9 <= effective_sample_size(found).item() <= len(log_weights) + 1e-9


@settings(deadline=None)
@given(st.lists(st.floats(-50, 50), min_size=2, max_size=9), st.floats(-1e4, 1e4))
def test_a_common_factor_changes_nothing(log_weights, shift):
    row = torch.tensor([log_weights], dtype=torch.float64)
    torch.testing.assert_close(normalised(row + shift), normalised(row), rtol=0, atol=1e-9)


def test_the_effective_sample_size_counts_equal_particles():
    rows = torch.tensor([[1 / 4] * 4, [1 / 2, 1 / 2, 0, 0], [1, 0, 0, 0], [0.5, 0.25, 0.25, 0]])
    found = effective_sample_size(rows.double().log())
    torch.testing.assert_close(found, torch.tensor([4, 2, 1, 8 / 3]).double())


def test_rows_are_independent():
    rows = torch.tensor([[0.0, 1.0], [-INF, -INF], [NAN, 2.0]]).double()
    torch.testing.assert_close(normalised(rows), torch.cat([normalised(row[None]) for row in rows]))
