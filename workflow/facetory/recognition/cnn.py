"""A small convolutional network for expressions: the probes' own, and the control of every comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

LARGE, SMALL = 16, 4
"""Sides of feature maps: above the first, convolutions have stride 2; down to the second, maps are pooled."""


class Standardised(nn.Module):
    """Images in the units of the training split: less its mean a channel, over its standard deviation."""

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("std", torch.ones(channels, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Float32 images of the same shape."""
        return (images.float() - self.mean) / self.std


def standardise(network: nn.Module, images: np.ndarray) -> None:
    """Give a network that standardises its input the units of images (n, C, h, w); others are left alone."""
    for layer in network.modules():
        if isinstance(layer, Standardised):
            values = torch.from_numpy(images).float()
            layer.mean.copy_(values.mean((0, 2, 3))[:, None, None])
            layer.std.copy_(values.std((0, 2, 3))[:, None, None].clamp(min=1e-6))


def cnn(channels: int, side: int, classes: int, widths: tuple[int, ...], dropout: float) -> nn.Sequential:
    """A block of convolution, group norm and ReLU a width, halving all but small maps; then linear.

    Takes images (batch, C, side, side) of any number type, which its first layer standardises.
    """
    layers: list[nn.Module] = [Standardised(channels)]
    for width in widths:
        stride, pooled = (2, 1) if side > LARGE else (1, 2 if side > SMALL else 1)
        layers += [
            nn.Conv2d(channels, width, 3, stride, padding=1, bias=False),
            nn.GroupNorm(8, width),
            nn.ReLU(),
            nn.MaxPool2d(pooled),
        ]
        channels, side = width, -(-side // stride) // pooled
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels * side**2, classes))
