"""The graph between the modalities (Affect-Diff, Section IV-C): edges, acyclicity, weights.

Nodes are text, audio, video.  A_ij is the edge from i to j, A (B, 3, 3) has a zero diagonal.  A modality that
is missing has no edge, and no weight.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

NODES = 3
TERMS = 20
"""B has three nodes, entries in [0, 1] and no diagonal, so its eigenvalues lie within 2: 2²⁰/20! < 10⁻¹²."""


class CausalGraph(nn.Module):
    """Edge scores S_ij = (W_Q h̄_i)ᵀ(W_K h̄_j) / √H of node embeddings (Affect-Diff, Eq. 1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)

    def forward(self, nodes: Tensor) -> Tensor:
        """Scores (B, 3, 3) of embeddings (B, 3, H)."""
        return self.query(nodes) @ self.key(nodes).transpose(1, 2) / math.sqrt(nodes.shape[-1])


def possible_edges(present: Tensor | None, device: torch.device) -> Tensor:
    """Which edges there may be, bool (B or 1, 3, 3): between two modalities of ``present``, bool (B, 3)."""
    others = ~torch.eye(NODES, dtype=torch.bool, device=device)[None]
    return others if present is None else others & present[:, :, None] & present[:, None]


def sigmoid_edges(scores: Tensor, edges: Tensor) -> Tensor:
    """A = σ(S) off the diagonal (Section IV-C); scores (B, 3, 3), ``edges`` as `possible_edges` has them."""
    return scores.sigmoid() * edges


def gumbel_edges(scores: Tensor, edges: Tensor, temperature: Tensor, noise: Tensor | None = None) -> Tensor:
    """A = softmax((S + G) / τ) over each row's possible edges and the node itself (Jang et al. 2017, Eq. 2).

    What a row gives to its own node is no edge and is left out (as released), so that a penalty on |A| can
    take edges away.  ``noise`` G is of Gumbel's distribution, (B, 3, 3), None for none (at test time).  A low
    temperature makes the edges hard.  A row without a possible edge is zero.
    """
    scores = scores if noise is None else scores + noise
    choices = edges | torch.eye(NODES, dtype=torch.bool, device=edges.device)
    lowest = torch.finfo(scores.dtype).min
    return (scores / temperature).masked_fill(~choices, lowest).softmax(-1) * edges


def gumbel_noise(like: Tensor) -> Tensor:
    """Draws of Gumbel's distribution from torch's generator, of the shape of ``like``."""
    return -torch.empty_like(like).exponential_().clamp(min=torch.finfo(like.dtype).tiny).log()


def acyclicity(adjacency: Tensor) -> Tensor:
    """h(A) = tr(e^(A∘A)) − d (B,), zero where A (B, d, d) has no cycle (Affect-Diff, Eq. 2; NOTEARS).

    Summed as Σ_{k≥2} tr((A∘A)ᵏ)/k!, tr(A∘A) being zero: the difference as it is printed is lost in float32's
    rounding when edges are small.
    """
    squares = adjacency.float().square()
    power = squares
    total = torch.zeros_like(squares[:, 0, 0])
    for k in range(2, TERMS):
        power = power @ squares / k
        total = total + power.diagonal(dim1=1, dim2=2).sum(-1)
    return total


def column_sums(adjacency: Tensor) -> Tensor:
    """Aᵀ1 (B, 3): what reaches each modality."""
    return adjacency.sum(1)


def importance(adjacency: Tensor, present: Tensor | None = None) -> Tensor:
    """w = softmax(Aᵀ1) over the modalities that are ``present`` (B, 3) (Affect-Diff, Eq. 3)."""
    sums = column_sums(adjacency)
    return (sums if present is None else sums.masked_fill(~present, torch.finfo(sums.dtype).min)).softmax(-1)
