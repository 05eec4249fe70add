"""The weight of the negative identity over the timesteps, and what it does to the predicted noise."""

import pytest
import torch
from facetory.adaptdiff.guidance import guided, mean_weight, weight
from facetory.adaptdiff.spec import Guidance


def w(schedule, timestep, w_max=1.0, T=1000):
    return weight(Guidance(schedule=schedule, w_max=w_max), timestep, T)


def test_adaptdiff_grows_from_a_thousandth_to_one():
    """w = w_max (1 − t/T) at i = 999 … 0, the papers' own numbers."""
    assert [w("linear", t) for t in (999, 500, 0)] == pytest.approx([0.001, 0.5, 1.0])
    assert [w("linear", t, w_max=0.5) for t in (999, 0)] == pytest.approx([0.0005, 0.5])


def test_the_controls():
    assert [w("none", t) for t in (999, 0)] == [0, 0]
    assert [w("constant", t, w_max=0.5) for t in (999, 0)] == [0.5, 0.5]
    assert [w("reverse", t) for t in (999, 500, 0)] == pytest.approx([0.999, 0.5, 0.0])


def test_adaptdiffs_mean_is_negfacediffs_weight():
    own = Guidance(schedule="linear", w_max=1.0)
    assert mean_weight(own, range(1000), 1000) == pytest.approx(0.5005)
    assert mean_weight(own, range(0, 1000, 5), 1000) == pytest.approx(0.5025)
    assert mean_weight(Guidance(schedule="reverse"), range(1000), 1000) == pytest.approx(0.4995)


def test_a_few_step_sampler_gets_the_weight_of_its_timestep_not_of_its_step():
    assert w("linear", 995) == pytest.approx(0.005)
    assert w("linear", 249.5) == pytest.approx(0.7505)


def test_guided_by_hand():
    positive, negative = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0])
    assert guided(positive, negative, 0.5).tolist() == [1.5, 1.0]
    assert guided(positive, negative, 0.0).tolist() == [1.0, 2.0]
