"""Per-column normalisation of features by the training split's measured values (Section II-C)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from facetory.data.mosei.spec import MODALITIES, Modality

if TYPE_CHECKING:
    from facetory.data.mosei.segments import Segments

LIMIT = 10.0
"""Normalised features are clamped to ± this."""
BLOCK = 1 << 16
Normalisation = dict[Modality, tuple[Tensor, Tensor]]
"""Mean and standard deviation (D,) float32 of each modality's columns, on the CPU."""


def statistics_of(segments: Segments, training: np.ndarray) -> Normalisation:
    """Mean and standard deviation of each column over the measured, finite values of some segments.

    A column that is constant there is centred and not scaled.
    """
    chosen = np.zeros(len(segments.segment_ids), bool)
    chosen[training] = True
    found: Normalisation = {}
    for modality in MODALITIES:
        use = np.repeat(chosen, np.diff(segments.offsets[modality])) & segments.valid[modality]
        count, mean = _sums(segments.streams[modality], use, 0.0, 1)
        mean = mean / np.maximum(count, 1)
        variance = _sums(segments.streams[modality], use, mean, 2)[1] / np.maximum(count - 1, 1)
        std = np.sqrt(variance)
        std[std < 1e-6] = 1.0
        found[modality] = (torch.from_numpy(mean).float(), torch.from_numpy(std).float())
    return found


def _sums(
    rows: np.ndarray, use: np.ndarray, centre: np.ndarray | float, power: int
) -> tuple[np.ndarray, np.ndarray]:
    """How many finite values each column has, and Σ (x - centre)^power over them, (D,) float64, in blocks."""
    count, total = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for first in range(0, len(rows), BLOCK):
        block = rows[first : first + BLOCK][use[first : first + BLOCK]].astype(np.float64)
        finite = np.isfinite(block)
        count += finite.sum(0)
        total += ((np.where(finite, block, 0) - centre) ** power).sum(0, where=finite)
    return count, total


def normalised(rows: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Rows (n, D) centred, scaled and clamped, in place; what is not finite becomes 0, the mean."""
    return rows.sub_(mean).div_(std).nan_to_num_(0.0, 0.0, 0.0).clamp_(-LIMIT, LIMIT)


def tensors_of(normalisation: Mapping[Modality, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """A normalisation under the names that it has in weights.safetensors: normalisation.text.mean, …."""
    return {
        f"normalisation.{modality}.{name}": tensor
        for modality, pair in normalisation.items()
        for name, tensor in zip(("mean", "std"), pair, strict=True)
    }
