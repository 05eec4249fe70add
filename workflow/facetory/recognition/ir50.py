"""IR-50, the face recogniser's residual network whose first three stages feed the comparators.

Improved residual units (Deng et al., ArcFace, Section 3.2.1: batch norm first, PReLU, stride in the second
convolution), named as APViT, POSTER and POSTER++ name them, each of which nests the stages in its own way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

WIDTHS = (64, 128, 256)
UNITS = (3, 4, 14)
"""Channels, and residual units, of the first three stages; each halves the sides of its maps."""


class Unit(nn.Module):
    """A residual unit: maps (batch, inputs, h, w) to (batch, width, h / stride, w / stride)."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        if inputs != width:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, width, 3, 1, padding=1, bias=False),
            nn.PReLU(width),
            nn.Conv2d(width, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """The sum of both ways."""
        return self.res_layer(maps) + self.shortcut_layer(maps)


def stem(width: int = WIDTHS[0]) -> nn.Sequential:
    """Images (batch, 3, h, w) to maps (batch, width, h, w)."""
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width)
    )


def stages(widths: Sequence[int] = WIDTHS, units: Sequence[int] = UNITS) -> list[nn.Sequential]:
    """The stages that follow the stem, the first unit of each with stride 2."""
    inputs = (widths[0], *widths)
    return [
        nn.Sequential(
            Unit(inputs[i], widths[i], stride=2), *(Unit(widths[i], widths[i], 1) for _ in range(1, units[i]))
        )
        for i in range(len(widths))
    ]
