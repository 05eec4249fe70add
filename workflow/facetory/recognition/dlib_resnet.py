"""dlib's face recognition ResNet (King 2017, dnn_face_recognition_ex.cpp) in torch: faster, on any device.

29 convolutions after He et al. 2016, with half the filters of most layers.  A unit's shortcut is a 2 × 2 mean
where the unit halves the resolution, and narrower or smaller summands count as zero where they end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

PX = 150
MEAN = (122.782, 117.001, 104.298)
UNITS = (32, 32, 32, 64, 64, 64, 64, 128, 128, 128, 256, 256, 256, 256)
"""Filters of each unit; a unit of other filters than the one before it halves the resolution."""
HALVING = (3, 7, 10, 13)
"""The units that halve the resolution; the last does so at equal width."""


class DlibResNet(nn.Module):
    """Faces to descriptors (n, 128); two of one person are nearer than 0.6 (King 2017).

    ``layers`` are the convolutions in the file's order, each with the affine layer behind it.
    """

    last: Tensor
    mean: Tensor

    def __init__(self, layers: list[nn.Conv2d], last: Tensor) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.register_buffer("last", last)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])

    def forward(self, levels: Tensor) -> Tensor:
        """RGB levels 0 … 255 of aligned faces (n, 3, 150, 150) to descriptors (n, 128)."""
        stem, *units = self.layers
        x = F.max_pool2d(F.relu(stem((levels - self.mean) / 256)), 3, 2)
        for i in range(len(UNITS)):
            y = units[2 * i + 1](F.relu(units[2 * i](x)))
            x = F.relu(padded_sum(F.avg_pool2d(x, 2) if i in HALVING else x, y))
        return x.mean((2, 3)) @ self.last


def padded_sum(x: Tensor, y: Tensor) -> Tensor:
    """x + y (n, c, h, w), each continued with zeros to the larger number of channels, rows and columns."""
    if x.shape == y.shape:
        return x + y
    sides = [max(pair) for pair in zip(x.shape, y.shape, strict=True)]
    x, y = (F.pad(z, [pad for i in (3, 2, 1) for pad in (0, sides[i] - z.shape[i])]) for z in (x, y))
    return x + y


def load(path: Path | str) -> DlibResNet:
    """The network with the weights of dlib's file, whose hash the caller has checked."""
    data = Path(path).read_bytes()
    weights = iter(parameters(data))
    shapes = [(3, 32, 7, 2)]
    for i, width in enumerate(UNITS):
        before = UNITS[i - 1] if i else 32
        shapes += [(before, width, 3, 2 if i in HALVING else 1), (width, width, 3, 1)]
    layers = [folded(*shape, next(weights), next(weights)) for shape in shapes]
    return DlibResNet(layers, next(weights).reshape(UNITS[-1], 128)).eval().requires_grad_(False)


def folded(
    inputs: int, outputs: int, kernel: int, stride: int, convolution: Tensor, affine: Tensor
) -> nn.Conv2d:
    """A convolution, filters then biases, with the scales and shifts of the affine layer behind it."""
    padding = kernel // 2 if stride == 1 else 0
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding)
    filters, biases = convolution.split([layer.weight.numel(), outputs])
    scale, shift = affine.chunk(2)
    weight = filters.reshape(layer.weight.shape) * scale[:, None, None, None]
    layer.load_state_dict({"weight": weight, "bias": biases * scale + shift})
    return layer


def parameters(data: bytes) -> Iterator[Tensor]:
    """The parameters of each layer that has any, flat, in the order in which pictures pass the layers.

    dlib writes a layer as its name ("con_4", "affine_", "fc_2"; the last with its two sizes), then its
    parameters: a version, four sizes, little-endian floats.  Integers are a byte that counts the bytes which
    follow it.
    """
    for name in re.finditer(rb"\x01\x05con_4|\x01\x07affine_|\x01\x04fc_2", data):
        position, numbers = name.end(), []
        for _ in range(7 if name.group().endswith(b"fc_2") else 5):
            width = data[position]
            numbers.append(int.from_bytes(data[position + 1 : position + 1 + width], "little"))
            position += 1 + width
        count = torch.Size(numbers[-4:]).numel()
        yield torch.from_numpy(np.frombuffer(data, "<f4", count, position).copy())
