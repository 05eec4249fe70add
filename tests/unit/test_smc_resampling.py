import pytest
import torch
from facetory.smc.resampling import SCHEMES, inverse_cdf, multinomial, residual, stratified, systematic
from hypothesis import given, settings
from hypothesis import strategies as st

EDGE = 2.0**-33
"""Uniform draws lie in EDGE … 1 − EDGE (`pipeline.randomness`)."""

WEIGHTS = torch.tensor([0.0, 0.31, 0.02, 0.25, 0.0, 0.17, 0.25, 0.0], dtype=torch.float64)


def counts(ancestors, particles):
    """Children of each particle, (B, N)."""
    return torch.nn.functional.one_hot(ancestors, particles).sum(1)


@st.composite
def populations(draw):
    """Normalised weights (1, N), some of them 0, and uniform draws (1, N), at the edges too."""
    size = draw(st.integers(1, 12))
    positive = st.floats(1e-12, 1.0)
    raw = draw(st.lists(st.one_of(st.just(0.0), positive), min_size=size, max_size=size).filter(any))
    points = st.one_of(st.just(EDGE), st.just(1 - EDGE), st.floats(EDGE, 1 - EDGE))
    uniforms = draw(st.lists(points, min_size=size, max_size=size))
    weights = torch.tensor([raw], dtype=torch.float64)
    return weights / weights.sum(), torch.tensor([uniforms], dtype=torch.float64)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_particle_expects_its_weight_in_children(scheme):
    runs = 20_000
    uniforms = torch.rand(runs, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = counts(SCHEMES[scheme](WEIGHTS.expand(runs, 8), uniforms), 8).double()
    error = found.std(0) / runs**0.5
    assert ((found.mean(0) - 8 * WEIGHTS).abs() <= 4 * error + 1e-9).all()
    assert error.max() < 0.02


def test_counts_vary_most_where_draws_are_independent():
    uniforms = torch.rand(5_000, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    weights = WEIGHTS.expand(5_000, 8)
    spread = {k: float(counts(f(weights, uniforms), 8).double().var(0).sum()) for k, f in SCHEMES.items()}
    assert spread["multinomial"] == pytest.approx(float((8 * WEIGHTS * (1 - WEIGHTS)).sum()), rel=0.05)
    assert max(spread["systematic"], spread["stratified"], spread["residual"]) < 0.6 * spread["multinomial"]


@settings(deadline=None)
@given(populations())
def test_no_scheme_leaves_the_particles_or_revives_a_dead_one(population):
    weights, uniforms = population
    for scheme in SCHEMES.values():
        ancestors = scheme(weights, uniforms)
        assert ancestors.dtype == torch.int64 and ancestors.shape == weights.shape
        assert (weights.gather(1, ancestors) > 0).all()


@settings(deadline=None)
@given(populations())
def test_counts_stay_within_the_bounds_of_their_scheme(population):
    weights, uniforms = population
    expected = weights * weights.shape[1]
    below, above = (expected - 1e-6).ceil() - 1, (expected + 1e-6).floor() + 1
    number = {k: counts(scheme(weights, uniforms), weights.shape[1]) for k, scheme in SCHEMES.items()}
    assert ((below <= number["systematic"]) & (number["systematic"] <= above)).all()
    assert ((below - 1 <= number["stratified"]) & (number["stratified"] <= above + 1)).all()
    assert (below <= number["residual"]).all()


@settings(deadline=None)
@given(populations())
def test_ancestors_rise_with_the_points(population):
    weights, uniforms = population
    for scheme in (stratified, systematic):
        assert (scheme(weights, uniforms).diff() >= 0).all()
    assert (multinomial(weights, uniforms.sort().values).diff() >= 0).all()


def test_by_hand():
    weights = torch.tensor([[0.5, 0.3, 0.2, 0.0]]).double()
    uniforms = torch.tensor([[0.9, 0.1, 0.6, 0.49]]).double()
    assert multinomial(weights, uniforms).tolist() == [[2, 0, 1, 0]]
    assert stratified(weights, uniforms).tolist() == [[0, 0, 1, 2]]  # .225 .275 .65 .8725
    assert systematic(weights, uniforms).tolist() == [[0, 0, 1, 2]]  # .225 .475 .725 .975
    assert residual(weights, uniforms).tolist() == [[0, 0, 1, 2]]  # 2, 1, 0 sure, rest .2 and .8


def test_equal_weights_leave_everyone_one_child():
    even = torch.full((3, 7), 1 / 7).double()
    uniforms = torch.rand(3, 7, generator=torch.Generator().manual_seed(3)).double()
    for scheme in (stratified, systematic):
        assert scheme(even, uniforms).tolist() == [list(range(7))] * 3


def test_rows_are_independent():
    random = torch.Generator().manual_seed(4)
    weights = torch.rand(5, 9, generator=random).double().softmax(1)
    uniforms = torch.rand(5, 9, generator=random).double()
    for scheme in SCHEMES.values():
        together = scheme(weights, uniforms)
        alone = [scheme(weights[i : i + 1], uniforms[i : i + 1]) for i in range(5)]
        assert torch.equal(together, torch.cat(alone))


def test_a_point_past_the_rounded_sum_belongs_to_the_last_living():
    weights = torch.tensor([[0.1, 0.9, 0.0, 0.0]]).double()
    assert inverse_cdf(weights, torch.tensor([[1.0, 0.0]]).double()).tolist() == [[1, 0]]
