"""Affect-Diff's losses (Section IV), as pure functions of tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

CAP = 8.0
"""The largest class weight."""
KL_TARGET = 5.0
"""Nats a time step that `adaptive_beta` leaves the posterior; the text's runs (Fig. 7) keep less than one."""


def focal_cross_entropy(
    logits: Tensor, labels: Tensor, gamma: float, label_smoothing: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    """Mean of (1 - p)^γ CE over the batch, with CE label-smoothed and class-weighted, p = exp(-CE) detached.

    ``logits`` (B, K), ``labels`` (B,), ``weights`` (K,) or None.  γ = 0 is the plain mean of CE.  Section
    IV-F with Lin et al. (2017); that p is taken of the smoothed, weighted CE and gets no gradient is the
    released code's way.
    """
    ce = F.cross_entropy(
        logits.float(), labels, weight=weights, label_smoothing=label_smoothing, reduction="none"
    )
    if gamma == 0:
        return ce.mean()
    return ((1 - torch.exp(-ce.detach())) ** gamma * ce).mean()


def class_weights(counts: Sequence[int]) -> Tensor:
    """√(n_max / n_k) of each class, at most 8, shape (K,); a class without samples gets 8."""
    count = torch.tensor(counts, dtype=torch.float32)
    return (count.max() / count.clamp(min=1e-9)).sqrt().clamp(max=CAP)


def kl_free_bits(mean: Tensor, logvar: Tensor, free_bits: float, valid: Tensor | None = None) -> Tensor:
    """1/(BL) Σ_{b,l,d} max(0, KL_d - λ) with KL_d of N(μ, σ²) from N(0, 1) in nats (Eq. 7, without β).

    ``mean`` and ``logvar`` (B, L, d); ``valid`` (B, L) restricts the mean to those time steps.
    """
    mean, logvar = mean.float(), logvar.float()
    kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar)
    return masked_mean((kl - free_bits).clamp(min=0).sum(-1), valid)


def adaptive_beta(beta: float, kl: Tensor, target: float = KL_TARGET) -> Tensor:
    """β · sigmoid(KL - target), without gradient: ControlVAE's proportional term (Shao et al., ICML 2020).

    ``kl`` is the mean KL divergence of a time step in nats, summed over dimensions: above the target β has
    its full weight, below it the pressure on the posterior fades, so that minority classes keep their modes.
    """
    return beta * torch.sigmoid(kl.detach() - target)


def diffusion_loss(noise: Tensor, predicted: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean of (ε - ε̂)² (Eq. 10) over (B, d, L), of ``valid`` (B, L) time steps alone where given."""
    return masked_mean((noise - predicted.float()).square().mean(1), valid)


def causal_penalty(h: Tensor | None, adjacency: Tensor, sparsity: float) -> Tensor:
    """Mean of h(A) (Eq. 2) plus ``sparsity`` times mean |A|; without ``h``, mean |A| alone (Gumbel edges).

    ``h`` (B,), ``adjacency`` (B, 3, 3) with a zero diagonal, which counts in the mean as released.
    """
    edges = adjacency.abs().mean()
    return edges if h is None else h.mean() + sparsity * edges


def reconstruction_loss(decoded: Sequence[Tensor], streams: Sequence[Tensor], mask: Tensor | None) -> Tensor:
    """Mean squared error of each modality (B, L, D), of measured rows (``mask`` (B, 3, L)), averaged."""
    errors = [
        masked_mean((x_hat - x).square().mean(-1), None if mask is None else mask[:, m])
        for m, (x_hat, x) in enumerate(zip(decoded, streams, strict=True))
    ]
    return torch.stack(errors).mean()


def masked_mean(values: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean of (B, L) values where ``valid``; 0 where nothing is."""
    if valid is None:
        return values.mean()
    return (values * valid).sum() / valid.sum().clamp(min=1)
