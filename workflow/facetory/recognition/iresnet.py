"""IResNet, the improved residual network of face recognition (Duta et al. 2020; Deng et al., ArcFace).

Parameters are named as insightface and ElasticFace name theirs, so that their checkpoints load strictly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from facetory.pipeline.files import FacetoryError
from facetory.pipeline.randomness import stream_key
from facetory.pipeline.suggest import unknown

if TYPE_CHECKING:
    from torch import Tensor


class Size(NamedTuple):
    """Blocks and channels of the stages, each of which halves its maps, and the stride of the stem."""

    blocks: tuple[int, ...]
    widths: tuple[int, ...]
    stem_stride: int = 1


SIZES = {
    "iresnet50": Size((3, 4, 14, 3), (64, 128, 256, 512)),
    "iresnet100": Size((3, 13, 30, 3), (64, 128, 256, 512)),
    "small": Size((1, 1, 1, 1), (16, 32, 64, 128), stem_stride=2),
}


class Block(nn.Module):
    """Batch norm first, PReLU, stride in the second convolution: maps of ``inputs`` channels to ``width``."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.prelu = nn.PReLU(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.downsample = None
        if stride != 1 or inputs != width:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, maps: Tensor) -> Tensor:
        """The sum of both ways."""
        found = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(maps))))))
        return found + (maps if self.downsample is None else self.downsample(maps))


class IResNet(nn.Module):
    """Images (batch, 3, px, px) in −1 … 1 to raw features (batch, embedding); ``side`` is px at the end.

    Dropout comes before the linear layer, which stays in float32 under mixed precision; the last batch norm
    only shifts, its weight stays 1.
    """

    def __init__(self, size: Size, side: int, embedding: int, dropout: float) -> None:
        super().__init__()
        stem, last = size.widths[0], size.widths[-1]
        self.conv1 = nn.Conv2d(3, stem, 3, size.stem_stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.prelu = nn.PReLU(stem)
        inputs = (stem, *size.widths)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            _stage(inputs[i], size.widths[i], size.blocks[i]) for i in range(4)
        )
        self.bn2 = nn.BatchNorm2d(last)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(last * side**2, embedding)
        self.features = nn.BatchNorm1d(embedding)
        self.features.weight.requires_grad = False
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.1)

    def forward(self, images: Tensor) -> Tensor:
        """The features, not of unit length."""
        maps = self.prelu(self.bn1(self.conv1(images)))
        maps = self.layer4(self.layer3(self.layer2(self.layer1(maps))))
        flat = self.dropout(self.bn2(maps).flatten(1)).float()
        with torch.autocast(flat.device.type, enabled=False):
            return self.features(self.fc(flat))


def iresnet(network: str, px: int, embedding: int = 512, dropout: float = 0.0, seed: int = 0) -> IResNet:
    """A network of `SIZES` for images of ``px``, a multiple of 16, with weights drawn from the seed."""
    if network not in SIZES:
        raise unknown("face recognition network", network, SIZES, "networks")
    if px < 16 or px % 16:
        raise FacetoryError(f"px {px}: {network} halves its maps four times. Choose a multiple of 16.")
    size = SIZES[network]
    side = -(-px // (16 * size.stem_stride))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_key(seed, "face recogniser", "weights") >> 1)
        return IResNet(size, side, embedding, dropout)


def normalised(images: Tensor, px: int) -> Tensor:
    """Faces, uint8 (n, 3, h, w), as the networks see them: at ``px``, −1 … 1."""
    levels = images.float()
    if levels.shape[-2:] != (px, px):
        levels = F.interpolate(levels, (px, px), mode="bilinear", antialias=True)
    return (levels / 255 - 0.5) / 0.5


def _stage(inputs: int, width: int, blocks: int) -> nn.Sequential:
    strides: Sequence[int] = (2, *(1,) * (blocks - 1))
    return nn.Sequential(*(Block(width if i else inputs, width, s) for i, s in enumerate(strides)))
