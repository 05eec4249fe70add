import math

import numpy as np
import torch
import torch.nn.functional as F
from facetory.recognition.cosface import Prototypes, cosface_logits
from hypothesis import given
from hypothesis import strategies as st


def test_the_margin_is_taken_from_the_label_alone():
    prototypes = torch.tensor([[2.0, 0.0], [0.0, 0.5], [-3.0, 0.0]])
    features = torch.tensor([[3.0, 4.0], [0.0, -7.0]])
    logits = cosface_logits(features, prototypes, torch.tensor([1, 2]), margin=0.35, scale=64.0)
    expected = [[64 * 0.6, 64 * (0.8 - 0.35), -64 * 0.6], [0.0, -64.0, -64 * 0.35]]
    np.testing.assert_allclose(logits, expected, rtol=1e-6, atol=1e-5)


def test_the_loss_is_equation_4():
    prototypes, features = torch.eye(3)[:2], torch.tensor([[1.0, 1.0, 0.0]])
    loss = F.cross_entropy(
        cosface_logits(features, prototypes, torch.tensor([0]), 0.2, 4.0), torch.tensor([0])
    )
    own, other = math.exp(4 * (math.sqrt(0.5) - 0.2)), math.exp(4 * math.sqrt(0.5))
    assert abs(loss.item() + math.log(own / (own + other))) < 1e-6


@given(st.floats(0.01, 100.0), st.floats(0.01, 100.0))
def test_lengths_do_not_count(a, b):
    generator = torch.Generator().manual_seed(0)
    features, prototypes = torch.randn(4, 8, generator=generator), torch.randn(5, 8, generator=generator)
    labels = torch.tensor([0, 1, 2, 4])
    plain = cosface_logits(features, prototypes, labels)
    assert torch.allclose(cosface_logits(a * features, b * prototypes, labels), plain, atol=1e-3)


def test_the_gradient_is_that_of_the_cosine():
    torch.manual_seed(0)
    features = torch.randn(2, 3, dtype=torch.float32, requires_grad=True)
    prototypes, labels = torch.randn(4, 3), torch.tensor([3, 0])
    cosface_logits(features, prototypes, labels, 0.35, 1.0).sum().backward()
    units = F.normalize(features.detach())
    total = F.normalize(prototypes).sum(0)
    along = (units * total).sum(1, keepdim=True)
    by_hand = (total - along * units) / features.detach().norm(dim=1, keepdim=True)
    assert torch.allclose(features.grad, by_hand, atol=1e-6)


def test_half_precision_around_it_changes_nothing():
    torch.manual_seed(0)
    prototypes, features, labels = Prototypes(6, 8), torch.randn(3, 8), torch.tensor([0, 5, 2])
    plain = prototypes(features, labels, 0.35, 64.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(prototypes(features, labels, 0.35, 64.0), plain)


def test_prototypes_are_drawn_from_the_seed():
    first, other = Prototypes(500, 64, seed=1).weight, Prototypes(500, 64, seed=2).weight
    assert torch.equal(first, Prototypes(500, 64, seed=1).weight) and not torch.equal(first, other)
    assert abs(first.std().item() - 0.01) < 2e-4
