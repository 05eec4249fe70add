"""ResNet-18 (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, Table 1).

Parameters are named as in torchvision, so that its checkpoints load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

WIDTHS = {"paper": (64, 128, 256, 512), "small": (16, 32, 64, 128)}


def resnet18(classes: int, size: Literal["paper", "small"] = "paper", channels: int = 3) -> nn.Module:
    """ResNet-18 on images (batch, channels, h, w) in ImageNet's units; "small" has a quarter of the width."""
    return ResNet(WIDTHS[size], classes, channels)


class Block(nn.Module):
    """Two 3×3 convolutions and the shortcut around them (the paper's Figure 2)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride > 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, h, w) to (batch, outputs, h / stride, w / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + shortcut)


class ResNet(nn.Module):
    """A stem, four stages of two blocks, the mean over places, and a linear layer."""

    def __init__(self, widths: tuple[int, ...], classes: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        inputs = (widths[0], *widths)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(Block(inputs[i], widths[i], 2 if i else 1), Block(widths[i], widths[i], 1))
            for i in range(4)
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(widths[3], classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))
