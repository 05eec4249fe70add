import math

import pytest
import torch
from facetory.smc.potentials import FLOOR, log_potential, log_potentials
from hypothesis import given, settings
from hypothesis import strategies as st

POTENTIALS = ("absolute", "difference", "max", "sum")
SCORES = st.lists(st.one_of(st.floats(-1e4, 0), st.just(-math.inf)), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("potential", "expected"),
    [
        ("absolute", [-6.0, -2.0, -4.0]),
        ("difference", [-6.0, 4.0, -2.0]),
        ("max", [-6.0, -2.0, -2.0]),
        ("sum", [-6.0, -8.0, -12.0]),
    ],
)
def test_the_potentials_by_hand(potential, expected):
    scores = torch.tensor([-3.0, -1.0, -2.0]).double()
    assert log_potentials(scores, potential, 2.0).tolist() == expected
    assert log_potential(scores, potential, 2.0).item() == expected[-1]
    assert log_potential(scores, potential, 2.0, True).item() == -4.0 - sum(expected[:-1])


def product(scores, potential, scale):
    """log Π G_k where the last potential telescopes."""
    steps = range(1, len(scores) + 1)
    return sum(log_potential(scores[:k], potential, scale, k == len(scores)).item() for k in steps)


@pytest.mark.parametrize("potential", POTENTIALS)
@settings(deadline=None)
@given(SCORES, st.floats(0, 10))
def test_the_product_is_the_final_score_to_the_power_of_the_scale(potential, scores, scale):
    scores = torch.tensor(scores, dtype=torch.float64)
    wanted = scale * max(scores[-1].item(), FLOOR)
    assert product(scores, potential, scale) == pytest.approx(wanted, rel=1e-9, abs=1e-5)


@settings(deadline=None)
@given(SCORES, st.floats(0, 10))
def test_differences_telescope_by_themselves(scores, scale):
    scores = torch.tensor(scores, dtype=torch.float64)
    own = log_potentials(scores, "difference", scale)
    assert own.sum().item() == pytest.approx(scale * max(scores[-1].item(), FLOOR), rel=1e-9, abs=1e-5)
    telescoped = log_potential(scores, "difference", scale, True).item()
    assert telescoped == pytest.approx(own[-1].item(), rel=1e-9, abs=1e-5)


def test_two_scores_of_zero_differ_by_nothing():
    zeros = torch.full((2,), -math.inf, dtype=torch.float64)
    assert log_potential(zeros, "difference", 5.0).item() == 0


def test_particles_do_not_mix():
    scores = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)).double()
    for potential in POTENTIALS:
        found = log_potential(scores, potential, 2.0, True)
        alone = [[log_potential(scores[b, n], potential, 2.0, True) for n in range(4)] for b in range(3)]
        torch.testing.assert_close(found, torch.tensor(alone, dtype=torch.float64))


def test_an_unknown_potential_is_an_error():
    with pytest.raises(ValueError, match="'absolute', 'difference', 'max' or 'sum'"):
        log_potential(torch.zeros(1), "product", 1.0)
