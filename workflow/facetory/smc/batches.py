"""Forward passes in batches of one size, and once for each distinct particle.

Kernels are chosen by the size of a batch, so a row's result may differ in its last bits between batches of 3
and of 16.  In batches of one size it is a function of the row alone, and leaving out rows whose result is
known changes no bit of the others.  On the CPU this held with one thread for every size tried, and with two
for the even ones (the threads divide a batch between them): let the size be a multiple of the threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


def in_fixed_batches(function: Callable[[Tensor], Tensor], rows: Tensor, size: int) -> Tensor:
    """function(rows), (rows, …), from forward passes of exactly ``size`` rows; the last is filled up with its
    own last row."""
    parts = [function(_filled(part, size))[: len(part)] for part in rows.split(size)]
    return torch.cat(parts)


class Distinct(NamedTuple):
    """Which of (B, N) particles to compute.

    positions: (rows,) int64, one particle a group, in the flattened (B·N,); owners: (rows,) the face of each;
    row_of: (B, N) the row that holds each particle's result.
    """

    positions: Tensor
    owners: Tensor
    row_of: Tensor

    def of(self, particles: Tensor) -> Tensor:
        """The distinct ones of particles (B, N, …), shape (rows, …)."""
        return particles.flatten(0, 1)[self.positions]

    def to_all(self, results: Tensor) -> Tensor:
        """Results (rows, …) for all particles, (B, N, …)."""
        return results[self.row_of]


def distinct(twins: Tensor) -> Distinct:
    """One particle of each group; particles of a face are known to be equal where their twins (B, N) are.

    twins: int64 in 0 … N−1.
    """
    faces, particles = twins.shape
    names = twins + particles * torch.arange(faces, device=twins.device)[:, None]
    groups, row_of = names.flatten().unique(return_inverse=True)
    everyone = torch.arange(names.numel(), device=twins.device)
    positions = torch.full_like(groups, names.numel()).scatter_reduce(0, row_of, everyone, "amin")
    return Distinct(positions, positions // particles, row_of.view_as(twins))


def _filled(part: Tensor, size: int) -> Tensor:
    return torch.cat([part, part[-1:].expand(size - len(part), *part.shape[1:])])
