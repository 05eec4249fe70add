"""MobileFaceNet (Chen et al. 2018) as POSTER and POSTER++ use it: a trunk of features for landmarks.

Its last layers, which regress the 68 landmarks, are left out: no comparator calls them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


class MobileFaceNet(nn.Module):
    """Inverted residuals at 1/4, 1/8 and 1/16 of the image's sides.

    ``widths`` are the channels of the first two scales and of the output, ``units`` the residual units of
    each scale.
    """

    def __init__(self, widths: Sequence[int] = (64, 128, 512), units: Sequence[int] = (4, 6, 2)) -> None:
        super().__init__()
        low, high, output = widths
        self.conv1 = convolution(3, low, 3, stride=2)
        self.conv2_dw = convolution(low, low, 3, groups=low)
        self.conv_23 = inverted(low, low, 2 * low, stride=2)
        self.conv_3 = Residual(low, 2 * low, units[0])
        self.conv_34 = inverted(low, high, 2 * high, stride=2)
        self.conv_4 = Residual(high, 2 * high, units[1])
        self.conv_45 = inverted(high, high, 4 * high, stride=2)
        self.conv_5 = Residual(high, 2 * high, units[2])
        self.conv_6_sep = convolution(high, output)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images (batch, 3, s, s) to maps of sides s/4, s/8 and s/16."""
        low = self.conv_3(self.conv_23(self.conv2_dw(self.conv1(images))))
        high = self.conv_4(self.conv_34(low))
        return low, high, self.conv_6_sep(self.conv_5(self.conv_45(high)))


class Residual(nn.Module):
    """Inverted bottlenecks, each added to its input."""

    def __init__(self, width: int, expanded: int, units: int) -> None:
        super().__init__()
        self.model = nn.Sequential(*(inverted(width, width, expanded) for _ in range(units)))

    def forward(self, maps: Tensor) -> Tensor:
        """Maps of the same shape."""
        for unit in self.model:
            maps = maps + unit(maps)
        return maps


def inverted(inputs: int, width: int, expanded: int, stride: int = 1) -> nn.Sequential:
    """Widen, filter each channel by itself, project."""
    return nn.Sequential(
        OrderedDict(
            conv=convolution(inputs, expanded),
            conv_dw=convolution(expanded, expanded, 3, stride, groups=expanded),
            project=convolution(expanded, width, linear=True),
        )
    )


def convolution(
    inputs: int, width: int, kernel: int = 1, stride: int = 1, groups: int = 1, linear: bool = False
) -> nn.Sequential:
    """Convolution and batch norm, and unless ``linear`` a PReLU."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv=nn.Conv2d(inputs, width, kernel, stride, kernel // 2, groups=groups, bias=False),
        bn=nn.BatchNorm2d(width),
    )
    if not linear:
        layers["prelu"] = nn.PReLU(width)
    return nn.Sequential(layers)
