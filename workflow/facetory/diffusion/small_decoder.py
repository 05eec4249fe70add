"""A small convolutional decoder in the autoencoder's place (the idea of TAESD, madebyollin/taesd, anew)."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from facetory.pipeline.files import FacetoryError, open_tensors, read_metadata

if TYPE_CHECKING:
    from torch import Tensor

BLOCKS = 2
"""Residual blocks at each size but the last, which has one."""


class Residual(nn.Module):
    """Two convolutions beside the identity; (batch, width, h, w) in and out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """ReLU of the sum."""
        return (x + self.layers(x)).relu()


def small_decoder(channels: int, widths: tuple[int, ...]) -> nn.Sequential:
    """Images (batch, 3, f h, f w) near -1 … 1 of scaled latents (batch, channels, h, w), f = 2^(widths - 1).

    A width for each size, from the latents' to the image's, with nearest upsampling by 2 between them;
    torch's global generator decides the weights.
    """
    layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 3, padding=1), nn.ReLU()]
    for width, wider in pairwise(widths):
        layers += [Residual(width) for _ in range(BLOCKS)]
        layers += [nn.Upsample(scale_factor=2), nn.Conv2d(width, wider, 3, padding=1)]
    return nn.Sequential(*layers, Residual(widths[-1]), nn.Conv2d(widths[-1], 3, 3, padding=1))


def load_small_decoder(folder: Path | str, device: str = "cpu") -> nn.Module:
    """The frozen decoder of a folder's weights.safetensors, whose metadata hold channels and widths."""
    path = Path(folder) / "weights.safetensors"
    about = read_metadata(path)
    decoder = small_decoder(about["channels"], tuple(about["widths"]))
    with open_tensors(path, "pt") as handle:
        tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    try:
        decoder.load_state_dict(tensors)
    except RuntimeError as error:
        raise FacetoryError(
            f"{path}: does not hold the decoder that it names ({error}). Train it again."
        ) from error
    return decoder.to(device).eval().requires_grad_(False)
