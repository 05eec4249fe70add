"""POSTER: a pyramid of cross-fusion transformers over image and landmark features (Zheng et al. 2022).

The model "large" of the authors' repository, zczcwh/POSTER, with its names of parameters.  Where paper and
code differ this is the code: the image branch's maps are cut into tokens as they lie in memory, the class
token is the mean of the image tokens, and only image tokens get a position.  The authors' landmark branch is
trained beforehand and frozen; without its weights it learns with the rest.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from facetory.recognition import ir50
from facetory.recognition.layers import DropPath, Gate, attention, head, mlp
from facetory.recognition.mobilefacenet import MobileFaceNet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class Size(NamedTuple):
    """``side`` of the images inside, channels and units of both branches, width and depth of the fusion."""

    side: int
    image: tuple[Sequence[int], Sequence[int]]
    landmarks: tuple[Sequence[int], Sequence[int]]
    width: int
    depth: int
    heads: int


SIZES = {
    "paper": Size(112, (ir50.WIDTHS, ir50.UNITS), ((64, 128, 512), (4, 6, 2)), width=512, depth=8, heads=8),
    "small": Size(64, ((8, 16, 32), (1, 1, 1)), ((8, 16, 64), (1, 1, 1)), width=64, depth=2, heads=4),
}
RATIO = 2
DROP_PATH = 0.1


def poster(classes: int, size: str = "paper") -> Poster:
    """POSTER with random weights; ``size`` "paper" is the published one, "small" a narrow, shallow one."""
    return Poster(classes, SIZES[size])


class Poster(nn.Module):
    """Normalised images (batch, 3, h, w), BGR as the authors feed it, to logits (batch, classes)."""

    def __init__(self, classes: int, size: Size) -> None:
        super().__init__()
        self.side = size.side
        tokens = (size.side // 16) ** 2
        self.face_landback = MobileFaceNet(*size.landmarks)
        self.ir_back = ImageBranch(*size.image)
        self.ir_layer = nn.Linear(4 * size.image[0][-1], size.width)
        self.pyramid_fuse = PyramidFusion(tokens, size.width, size.depth, size.heads)
        self.se_block = Gate(size.width)
        self.head = head(size.width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits; images are first resized to the nearest pixels."""
        images = F.interpolate(images, self.side)
        landmarks = self.face_landback(images)[-1].flatten(2).transpose(1, 2)
        image = self.ir_layer(self.ir_back(images).reshape(*landmarks.shape[:2], -1))
        return self.head(self.se_block(self.pyramid_fuse(image, landmarks)))


class ImageBranch(nn.Module):
    """Three stages of IR-50 in a row: images (batch, 3, s, s) to maps (batch, width, s/8, s/8)."""

    def __init__(self, widths: Sequence[int], units: Sequence[int]) -> None:
        super().__init__()
        self.input_layer = ir50.stem(widths[0])
        self.body = nn.Sequential(*chain.from_iterable(ir50.stages(widths, units)))

    def forward(self, images: Tensor) -> Tensor:
        """The maps of the last stage."""
        return self.body(self.input_layer(images))


class PyramidFusion(nn.Module):
    """Image and landmark tokens, each (batch, tokens, width), to one feature (batch, width).

    The pyramid halves and quarters the tokens' width, not their number.
    """

    def __init__(self, tokens: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens + 1, width))
        both = 2 * (tokens + 1)
        self.downsample_m = nn.Conv1d(both, both, kernel_size=2, stride=2)
        self.downsample_s = nn.Conv1d(both, both, kernel_size=4, stride=4)
        rates = torch.linspace(0, DROP_PATH, depth, device="cpu").tolist()
        self.blocks = nn.Sequential(*(PyramidBlock(tokens, width, heads, rate) for rate in rates))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, image: Tensor, landmarks: Tensor) -> Tensor:
        """The image's class token after all blocks."""
        tokens = torch.cat([with_mean(image) + self.pos_embed, with_mean(landmarks)], dim=1)
        large, _, _ = self.blocks((tokens, self.downsample_m(tokens), self.downsample_s(tokens)))
        return self.norm(large[:, 0])


def with_mean(tokens: Tensor) -> Tensor:
    """Tokens (batch, n, width) with their mean before them."""
    return torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1)


class PyramidBlock(nn.Module):
    """A fusion block on each level; narrower levels are widened and added to the next."""

    def __init__(self, tokens: int, width: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.block_l = FusionBlock(tokens, width, heads, drop_path)
        self.block_m = FusionBlock(tokens, width // 2, heads, drop_path)
        self.block_s = FusionBlock(tokens, width // 4, heads, drop_path)
        both = 2 * (tokens + 1)
        self.upsample_m = nn.ConvTranspose1d(both, both, kernel_size=2, stride=2)
        self.upsample_s = nn.ConvTranspose1d(both, both, kernel_size=2, stride=2)

    def forward(self, levels: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens (batch, 2 · (tokens + 1), width) of the three levels, widest first."""
        large, medium, small = levels
        small = self.block_s(small)
        medium = self.upsample_s(small) + self.block_m(medium)
        return self.block_l(large) + self.upsample_m(medium), medium, small


class FusionBlock(nn.Module):
    """Cross-fusion of both kinds of tokens: each is attended to with the other's queries."""

    def __init__(self, tokens: int, width: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.each = tokens + 1
        self.norm1, self.norm2, self.norm3, self.norm4 = (nn.LayerNorm(width, eps=1e-6) for _ in range(4))
        self.attn_img, self.attn_lm = CrossAttention(width, heads), CrossAttention(width, heads)
        self.mlp1, self.mlp2 = mlp(width, RATIO), mlp(width, RATIO)
        self.conv = nn.Conv1d(2 * self.each, 2 * self.each, 1)
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor) -> Tensor:
        """Image tokens, then landmark tokens, (batch, 2 · each, width); mixed by a convolution at the end."""
        image, landmarks = tokens.split(self.each, dim=1)
        normed_image, normed_landmarks = self.norm1(tokens).split(self.each, dim=1)
        image = image + self.drop_path(self.attn_img(normed_landmarks, normed_image))
        image = image + self.drop_path(self.mlp1(self.norm2(image)))
        normed_image, normed_landmarks = self.norm3(tokens).split(self.each, dim=1)
        landmarks = landmarks + self.drop_path(self.attn_lm(normed_image, normed_landmarks))
        landmarks = landmarks + self.drop_path(self.mlp2(self.norm4(landmarks)))
        return self.conv(torch.cat([image, landmarks], dim=1))


class CrossAttention(nn.Module):
    """Attention whose queries are another stream's tokens as they are."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """What ``tokens`` (batch, n, width) hold for each of ``queries`` (batch, n, width)."""
        keys, values = self.kv(tokens).chunk(2, dim=-1)
        return self.proj(attention(queries, keys, values, self.heads))
