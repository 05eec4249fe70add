import pytest
import torch
from emodc_street import train_spec
from facetory.emodc.losses import amdit, base, codit, fmdit, objective, prompts_needed
from hypothesis import given, settings
from hypothesis import strategies as st

ERROR = st.floats(0, 4, width=32)


def errors(*values):
    return [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in values]


def test_hand_values():
    d_p, d_n, d_nn = errors([0.30, 0.10], [0.20, 0.40], [0.50, 0.60])
    assert base(d_p).tolist() == [0.30, 0.10]
    assert codit(d_p, d_n, 0.5).tolist() == pytest.approx([0.20, -0.10])
    assert fmdit(d_p, d_n, 0.05).tolist() == pytest.approx([0.15, 0.0])
    assert amdit(d_p, d_n, d_nn, 0.1).tolist() == pytest.approx([0.15, 0.0])


@settings(deadline=None)
@given(ERROR, ERROR, st.floats(1e-4, 0.5))
def test_amdit_on_the_positive_prompt_is_one_scaled_difference(p, n, alpha):
    d_p, d_n = errors([p], [n])
    loss = amdit(d_p, d_n, d_p, alpha)
    assert loss.item() == pytest.approx(max((1 + alpha) * p - n, 0), abs=1e-12)


@settings(deadline=None)
@given(ERROR, ERROR, st.floats(1e-4, 0.5))
def test_inactive_samples_have_no_gradient_and_active_ones_the_equation_s(p, n, alpha):
    d_p, d_n = errors([p], [n])
    amdit(d_p, d_n, d_p, alpha).sum().backward()
    gap = p - n + alpha * p
    if gap < 0:
        assert (d_p.grad.item(), d_n.grad.item()) == (0, 0)
    elif gap > 0:
        assert (d_p.grad.item(), d_n.grad.item()) == (pytest.approx(1 + alpha), -1)


@settings(deadline=None)
@given(ERROR, ERROR)
def test_codit_tends_to_base(p, n):
    d_p, d_n = errors([p], [n])
    assert codit(d_p, d_n, 0.0).item() == base(d_p).item()
    assert codit(d_p, d_n, 1e-9).item() == pytest.approx(p, abs=1e-8)


@settings(deadline=None)
@given(ERROR, ERROR, ERROR, st.floats(1e-4, 0.5))
def test_a_constant_non_negative_error_is_a_fixed_margin(p, n, nn, alpha):
    d_p, d_n, d_nn = errors([p], [n], [nn])
    assert amdit(d_p, d_n, d_nn, alpha).item() == fmdit(d_p, d_n, alpha * nn).item()


def test_forwards_of_each_loss():
    assert prompts_needed("base") == ("positive",)
    assert prompts_needed("codit") == prompts_needed("fmdit") == ("positive", "negative")
    assert prompts_needed("amdit", "positive") == ("positive", "negative")
    assert prompts_needed("amdit", "null") == ("positive", "negative", "null")
    assert prompts_needed("fmdit", "null") == ("positive", "negative")
    with pytest.raises(ValueError, match="amdt"):
        prompts_needed("amdt")


@pytest.mark.parametrize("detached", [False, True])
@pytest.mark.parametrize("prompt", ["positive", "non_class", "null"])
def test_the_margin_is_attached_unless_the_spec_detaches_it(prompt, detached):
    spec = train_spec(loss="amdit", alpha=0.1, non_negative_prompt=prompt, detach_margin=detached)
    d_p, d_n, d_nn = errors([0.5], [0.2], [0.3])
    by_prompt = {"positive": d_p, "negative": d_n, "non_class": d_nn, "null": d_nn}
    loss = objective(spec, by_prompt)
    loss.sum().backward()
    margin = 0.1 * (0.5 if prompt == "positive" else 0.3)
    assert loss.item() == pytest.approx(0.3 + margin)
    if prompt == "positive":
        assert d_p.grad.item() == pytest.approx(1 if detached else 1.1)
    else:
        assert d_p.grad.item() == 1
        assert (d_nn.grad is None) if detached else d_nn.grad.item() == pytest.approx(0.1)


def test_the_objective_uses_its_own_hyper_parameter():
    d_p, d_n = errors([0.5], [0.2])
    both = {"positive": d_p, "negative": d_n}
    assert objective(train_spec(loss="base"), both).item() == 0.5
    assert objective(train_spec(loss="codit", lambda_1=0.25), both).item() == pytest.approx(0.45)
    assert objective(train_spec(loss="fmdit", margin=0.125), both).item() == pytest.approx(0.425)
