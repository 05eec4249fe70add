"""The training objectives of EmoDC as equations on noise-prediction errors (Section III-B).

d_p, d_n and d_nn are ‖ε_θ(x_t, t, c) − ε‖² (element mean) under the positive, a negative and the non-negative
prompt of each sample, all at the same timestep and noise.  Shapes are (batch,), and the batch mean of what a
function returns is the paper's expectation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

MARGIN_LOSSES = ("fmdit", "amdit")


def base(d_p: Tensor) -> Tensor:
    """Denoising loss d_p (EmoDC, Eq. 6)."""
    return d_p


def codit(d_p: Tensor, d_n: Tensor, lambda_1: float) -> Tensor:
    """Contrastive noise discrepancy loss d_p − λ₁ d_n (EmoDC, Eq. 9); unbounded below."""
    return d_p - lambda_1 * d_n


def fmdit(d_p: Tensor, d_n: Tensor, margin: float) -> Tensor:
    """Fixed-margin discrepancy loss max(d_p − d_n + m, 0) (EmoDC, Eq. 10)."""
    return (d_p - d_n + margin).clamp(min=0)


def amdit(d_p: Tensor, d_n: Tensor, d_nn: Tensor, alpha: float) -> Tensor:
    """Adaptive-margin discrepancy loss max(d_p − d_n + α d_nn, 0) (EmoDC, Eq. 11)."""
    return (d_p - d_n + alpha * d_nn).clamp(min=0)


def prompts_needed(loss: str, non_negative_prompt: str = "positive") -> tuple[str, ...]:
    """The prompts a loss looks at: ``positive``, ``negative``, ``non_class`` or ``null``, one forward each.

    AMDiT with c_nn = c_p needs two forwards, not three: d_nn is d_p, attached or detached.
    """
    match loss:
        case "base":
            return ("positive",)
        case "amdit" if non_negative_prompt != "positive":
            return ("positive", "negative", non_negative_prompt)
        case "codit" | "fmdit" | "amdit":
            return ("positive", "negative")
    raise ValueError(f"unknown loss {loss!r}")


def objective(spec: Any, errors: dict[str, Tensor]) -> Tensor:
    """The loss of each sample, shape (batch,), from its errors by prompt (see `prompts_needed`).

    ``spec`` names the loss and its hyper-parameters.  Eq. 11 shows no stop-gradient, so the adaptive margin
    is attached unless ``spec.detach_margin``.
    """
    match spec.loss:
        case "base":
            return base(errors["positive"])
        case "codit":
            return codit(errors["positive"], errors["negative"], spec.lambda_1)
        case "fmdit":
            return fmdit(errors["positive"], errors["negative"], spec.margin)
        case "amdit":
            d_nn = errors[spec.non_negative_prompt]
            d_nn = d_nn.detach() if spec.detach_margin else d_nn
            return amdit(errors["positive"], errors["negative"], d_nn, spec.alpha)
    raise ValueError(f"unknown loss {spec.loss!r}")
