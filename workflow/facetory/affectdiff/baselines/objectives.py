"""Losses of the baselines' own, each over the samples that ``rows`` (B,) keeps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MOMENTS = 5


def row_mean(values: Tensor, rows: Tensor) -> Tensor:
    """Mean over the kept samples of (B, …); 0 where none is kept."""
    kept = rows.view(-1, *(1,) * (values.ndim - 1))
    return (values * kept).sum(0) / rows.sum().clamp(min=1)


def moments(values: Tensor, rows: Tensor) -> Tensor:
    """Mean and central moments 2 to 5 over samples (B, D), shape (5, D)."""
    centre = row_mean(values, rows)
    powers = [row_mean((values - centre) ** order, rows) for order in range(2, MOMENTS + 1)]
    return torch.stack([centre, *powers])


def moment_errors(x: Tensor, y: Tensor, x_rows: Tensor, y_rows: Tensor) -> Tensor:
    """Σ over the five moments of the mean squared difference: the released reading of CMD."""
    return (moments(x, x_rows) - moments(y, y_rows)).square().mean(1).sum() * _both(x_rows, y_rows)


def central_moment_discrepancy(x: Tensor, y: Tensor, x_rows: Tensor, y_rows: Tensor) -> Tensor:
    """CMD: Σ over the five moments of the Euclidean norm of their difference (MISA; |b − a| is 1)."""
    squares = (moments(x, x_rows) - moments(y, y_rows)).square().sum(1)
    norms = torch.where(squares > 0, squares, 1.0).sqrt() * (squares > 0)  # √ has no gradient at 0
    return norms.sum() * _both(x_rows, y_rows)


def squared_overlap(x: Tensor, y: Tensor, rows: Tensor) -> Tensor:
    """Mean squared dot product of two representations (B, D) of a sample."""
    return row_mean((x * y).sum(1) ** 2, rows)


def squared_correlation(x: Tensor, y: Tensor, rows: Tensor) -> Tensor:
    """‖XᵀY‖²_F / D² of centred samples of length 1 (MISA, as its authors scale it)."""
    x, y = (F.normalize((v - row_mean(v, rows)) * rows[:, None], dim=1, eps=1e-6) for v in (x, y))
    return (x.T @ y).square().mean()


def info_nce(x: Tensor, y: Tensor, rows: Tensor, temperature: float = 1.0) -> Tensor:
    """−log of the share of a sample's own y among all, scored by exp(cosine / temperature), mean over x.

    Van den Oord et al. 2018; log B − this bounds the mutual information from below.
    """
    scores = F.normalize(x, dim=1) @ F.normalize(y, dim=1).T / temperature
    others = ~(rows | torch.eye(len(rows), dtype=torch.bool, device=rows.device))
    log_shares = scores.masked_fill(others, -torch.inf).log_softmax(1).diagonal()
    return -row_mean(log_shares, rows)


def gaussian_log_likelihood(y: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """log N(y; mean, variance) (B,) of (B, D), without −D/2 log 2π."""
    return -0.5 * ((y - mean).square() * (-log_variance).exp() + log_variance).sum(1)


def gaussian_entropy(y: Tensor, rows: Tensor) -> Tensor:
    """½ log det of the covariance of (B, D): a Gaussian's entropy without its constant; 0 for one sample."""
    y = y.float()
    centred = y - row_mean(y, rows)
    covariance = row_mean(centred[:, :, None] * centred[:, None], rows)
    floor = 1e-4 * torch.eye(y.shape[1], device=y.device)
    return 0.5 * torch.linalg.slogdet(covariance + floor).logabsdet * (rows.sum() > 1)


def _both(x_rows: Tensor, y_rows: Tensor) -> Tensor:
    return x_rows.any() & y_rows.any()
