"""Affect-Diff's graph: edges, acyclicity, weights."""

import math

import pytest
import torch
from facetory.affectdiff import graph
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

EDGE = st.floats(0, 1)


def matrix(upper, lower=(0.0, 0.0, 0.0)):
    """A (1, 3, 3) of its entries above (01, 02, 12) and below (10, 20, 21) the diagonal."""
    a = torch.zeros(3, 3)
    a[0, 1], a[0, 2], a[1, 2] = upper
    a[1, 0], a[2, 0], a[2, 1] = lower
    return a[None]


def test_acyclicity_of_two_modalities_that_cause_each_other():
    """B has the eigenvalues ±ab, so tr(e^B) − 3 = 2 cosh(ab) − 2."""
    h = graph.acyclicity(matrix((0.9, 0, 0), (0.5, 0, 0)))
    assert h.item() == pytest.approx(2 * math.cosh(0.9 * 0.5) - 2, rel=1e-6)


@given(st.tuples(EDGE, EDGE, EDGE), st.permutations(range(3)))
def test_acyclicity_is_zero_without_a_cycle(edges, order):
    assert graph.acyclicity(matrix(edges)[:, order][:, :, order]).item() == 0


@given(st.lists(EDGE, min_size=6, max_size=6))
@settings(max_examples=50)
def test_acyclicity_and_its_gradient_are_those_of_the_exponential(edges):
    """h = tr(e^B) − 3 and ∂h/∂A = 2 A ∘ (e^B)ᵀ, in float64."""
    a = matrix(edges[:3], edges[3:]).requires_grad_()
    h = graph.acyclicity(a)
    h.backward()
    values = a.detach()[0].double().numpy()
    exponential = expm(values**2)
    assert h.item() == pytest.approx(exponential.trace() - 3, rel=1e-5, abs=1e-12)
    off = ~torch.eye(3, dtype=torch.bool)
    expected = torch.from_numpy(2 * values * exponential.T)[off]
    assert torch.allclose(a.grad[0].double()[off], expected, rtol=1e-5, atol=1e-12)


def test_acyclicity_does_not_vanish_in_float32():
    a = matrix((0.01,) * 3, (0.01,) * 3)
    assert torch.matrix_exp(a.square()).diagonal(dim1=1, dim2=2).sum().item() - 3 == 0
    exact = expm(a[0].double().numpy() ** 2).trace() - 3
    eigenvalues = (2e-4, -1e-4, -1e-4)  # of 10⁻⁴ (J − I)
    expected = sum(math.expm1(value) - value for value in eigenvalues)
    assert graph.acyclicity(a).item() == pytest.approx(expected, rel=1e-4)
    assert expected == pytest.approx(exact, rel=1e-4)


def test_scores_are_scaled_products_of_queries_and_keys():
    """Eq. 1 with W_Q = 1 and W_K = 2: S_ij = 2 h_i·h_j / √4."""
    scores = graph.CausalGraph(4)
    with torch.no_grad():
        for layer, factor in ((scores.query, 1.0), (scores.key, 2.0)):
            layer.weight.copy_(factor * torch.eye(4))
            layer.bias.zero_()
    nodes = torch.tensor([[[1.0, 0, 0, 0], [3, 1, 0, 0], [0, 5, 0, 1]]])
    assert torch.allclose(scores(nodes)[0], torch.tensor([[1.0, 3, 0], [3, 10, 5], [0, 5, 26]]))


def test_edges_are_sigmoids_off_the_diagonal():
    scores = torch.randn(2, 3, 3)
    edges = graph.sigmoid_edges(scores, graph.possible_edges(None, scores.device))
    assert edges.diagonal(dim1=1, dim2=2).eq(0).all()
    assert edges[1, 0, 2].item() == pytest.approx(1 / (1 + math.exp(-scores[1, 0, 2])), rel=1e-5)


def test_weights_are_the_softmax_of_column_sums():
    a = matrix((0.2, 0.4, 0.1), (0.3, 0.5, 0.9))
    sums = [0.3 + 0.5, 0.2 + 0.9, 0.4 + 0.1]
    total = sum(math.exp(s) for s in sums)
    assert torch.allclose(graph.column_sums(a), torch.tensor([sums]))
    assert torch.allclose(graph.importance(a), torch.tensor([[math.exp(s) / total for s in sums]]))


@pytest.mark.parametrize("kind", ["sigmoid", "gumbel"])
def test_a_missing_modality_has_neither_edge_nor_weight(kind):
    present = torch.tensor([[True, False, True], [False, False, True]])
    edges, scores = graph.possible_edges(present, present.device), torch.randn(2, 3, 3)
    a = (
        graph.sigmoid_edges(scores, edges)
        if kind == "sigmoid"
        else graph.gumbel_edges(scores, edges, torch.tensor(0.7))
    )
    weights = graph.importance(a, present)
    assert a[0, 1].eq(0).all() and a[0, :, 1].eq(0).all() and a[1].eq(0).all()
    assert a[0, 0, 2] > 0
    assert weights[0, 1] == 0 and weights[1].tolist() == [0, 0, 1]
    assert weights.sum(1).tolist() == pytest.approx([1, 1])


def test_gumbel_edges_share_a_row_with_no_edge_and_harden_as_it_cools():
    scores = torch.tensor([[[0.2, 0.5, 1.0], [0, 9, 2], [1, 0, -9]]])
    edges = graph.possible_edges(None, scores.device)
    warm, cold = (graph.gumbel_edges(scores, edges, torch.tensor(t)) for t in (1.0, 0.01))
    row = [math.exp(s) for s in (0.2, 0.5, 1.0)]
    assert warm[0, 0].tolist() == pytest.approx([0, row[1] / sum(row), row[2] / sum(row)], rel=1e-5)
    assert torch.allclose(cold, torch.tensor([[[0.0, 0, 1], [0, 0, 0], [1, 0, 0]]]), atol=1e-6)


def test_a_penalty_takes_gumbel_edges_away():
    scores = torch.randn(4, 3, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    edges = graph.possible_edges(None, scores.device)
    before = graph.gumbel_edges(scores, edges, torch.tensor(1.0)).mean()
    (gradient,) = torch.autograd.grad(before, scores)
    after = graph.gumbel_edges(scores - 100 * gradient, edges, torch.tensor(1.0)).mean()
    assert after < 0.95 * before


def test_gumbel_noise_chooses_edges_by_the_softmax_of_their_scores():
    """Gumbel-max: at temperature near 0 an edge is hard with the probability of its softmax."""
    torch.manual_seed(0)
    scores = torch.tensor([0.0, 0.0, 1.0]).expand(20000, 3, 3)
    a = graph.gumbel_edges(
        scores,
        graph.possible_edges(None, scores.device),
        torch.tensor(1e-3),
        graph.gumbel_noise(scores),
    )
    assert a[:, 0, 2].mean().item() == pytest.approx(math.e / (2 + math.e), abs=0.015)
