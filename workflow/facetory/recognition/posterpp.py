"""POSTER++: landmark features query image features at three scales (Mao et al. 2023).

The model of the authors' repository, Talented-Q/POSTER_V2, with its names of parameters.  Each scale's map is
one attention window there, so windows are not cut here.  The authors' landmark branch is trained beforehand
and frozen; without its weights it learns with the rest.
"""

from __future__ import annotations

from collections import OrderedDict
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
    """``side`` of the images inside; channels, image units, landmark units and heads of the three scales,
    finest first; channels of the landmark branch's last maps; width, depth and heads of the transformer; and
    what it starts from: the deviations of linear weights and of positions, and the scales' layer scale.
    """

    side: int
    widths: Sequence[int]
    image_units: Sequence[int]
    landmark_units: Sequence[int]
    scale_heads: Sequence[int]
    landmark_width: int
    width: int
    depth: int
    heads: int
    linear_std: float
    position_std: float
    layer_scale: float


SIZES = {
    "paper": Size(
        side=112,
        widths=ir50.WIDTHS,
        image_units=ir50.UNITS,
        landmark_units=(4, 6, 2),
        scale_heads=(2, 4, 8),
        landmark_width=512,
        width=768,
        depth=2,
        heads=8,
        linear_std=0.01,
        position_std=0.02,
        layer_scale=1e-5,
    ),
    "small": Size(
        side=64,
        widths=(8, 16, 32),
        image_units=(1, 1, 1),
        landmark_units=(1, 1, 1),
        scale_heads=(1, 2, 2),
        landmark_width=64,
        width=64,
        depth=2,
        heads=4,
        linear_std=0.1,
        position_std=0.5,
        layer_scale=0.1,
    ),
}
"""The authors start from trained branches; from random ones, and narrower, theirs would start too faint."""
RATIO = 4
DROP_PATHS = (0.0, 0.125, 0.25)


def posterpp(classes: int, size: str = "paper") -> PosterPP:
    """POSTER++ with random weights; ``size`` "paper" is the published one, "small" a narrow, shallow one."""
    return PosterPP(classes, SIZES[size])


class PosterPP(nn.Module):
    """Normalised RGB images (batch, 3, h, w) to logits (batch, classes)."""

    def __init__(self, classes: int, size: Size) -> None:
        super().__init__()
        self.side = size.side
        fine, middle, coarse = size.widths
        self.face_landback = MobileFaceNet((fine, middle, size.landmark_width), size.landmark_units)
        self.last_face_conv = nn.Conv2d(size.landmark_width, coarse, 3, padding=1)
        self.ir_back = ImageBranch(size.widths, size.image_units)
        self.conv1, self.conv2, self.conv3 = (halving(width, width) for width in size.widths)
        self.window1, self.window2, self.window3 = (
            nn.Sequential(OrderedDict(norm=nn.LayerNorm(width))) for width in size.widths
        )
        self.attn1, self.attn2, self.attn3 = (
            LandmarkAttention(size.widths[i], size.scale_heads[i], size.side >> (i + 2)) for i in range(3)
        )
        self.ffn1, self.ffn2, self.ffn3 = (
            FeedForward(width, size.layer_scale, drop_path)
            for width, drop_path in zip(size.widths, DROP_PATHS, strict=True)
        )
        self.embed_q = nn.Sequential(halving(fine, size.width), halving(size.width, size.width))
        self.embed_k = nn.Sequential(halving(middle, size.width))
        self.embed_v = nn.Sequential(OrderedDict(proj=nn.Conv2d(coarse, size.width, 1)))
        self.VIT = Transformer(3 * (size.side // 16) ** 2, size, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits; images are first resized to the nearest pixels."""
        images = F.interpolate(images, self.side)
        fine, middle, coarse = self.face_landback(images)
        fusions = zip(
            self.ir_back(images),
            (fine, middle, self.last_face_conv(coarse)),
            (self.conv1, self.conv2, self.conv3),
            (self.window1, self.window2, self.window3),
            (self.attn1, self.attn2, self.attn3),
            (self.ffn1, self.ffn2, self.ffn3),
            (self.embed_q, self.embed_k, self.embed_v),
            strict=True,
        )
        return self.VIT(torch.cat([fused(*fusion) for fusion in fusions], dim=1))


def halving(inputs: int, width: int) -> nn.Conv2d:
    """A convolution that halves the sides of its maps."""
    return nn.Conv2d(inputs, width, 3, stride=2, padding=1)


def as_tokens(maps: Tensor) -> Tensor:
    """Maps (batch, width, h, w) as tokens (batch, h · w, width)."""
    return maps.flatten(2).transpose(1, 2)


def fused(
    image: Tensor,
    landmarks: Tensor,
    halve: nn.Module,
    normalise: nn.Module,
    attend: nn.Module,
    feed_forward: nn.Module,
    embed: nn.Module,
) -> Tensor:
    """One scale's tokens for the transformer; image maps have twice the sides of the landmark maps."""
    tokens = normalise(as_tokens(halve(image)))
    tokens = feed_forward(tokens, attend(as_tokens(landmarks), tokens))
    return as_tokens(embed(tokens.transpose(1, 2).unflatten(-1, landmarks.shape[-2:])))


class ImageBranch(nn.Module):
    """IR-50: images (batch, 3, s, s) to the maps of its three stages, of sides s/2, s/4 and s/8."""

    def __init__(self, widths: Sequence[int], units: Sequence[int]) -> None:
        super().__init__()
        self.input_layer = ir50.stem(widths[0])
        self.body1, self.body2, self.body3 = ir50.stages(widths, units)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The maps, finest first."""
        fine = self.body1(self.input_layer(images))
        middle = self.body2(fine)
        return fine, middle, self.body3(middle)


class LandmarkAttention(nn.Module):
    """Attention of landmark queries to image tokens over a map of ``side``, with relative position biases."""

    relative_position_index: Tensor

    def __init__(self, width: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * side - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", relative_positions(side), persistent=False)
        self.qkv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """What ``tokens`` (batch, side², width) hold for each of ``queries`` (batch, side², width)."""
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        keys, values = self.qkv(tokens).chunk(2, dim=-1)
        return self.proj(attention(queries, keys, values, self.heads, bias))


def relative_positions(side: int) -> Tensor:
    """The row (side², side²) in a table of offsets of each pair of positions on a square map."""
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    down, right = (axis.flatten()[:, None] - axis.flatten() + side - 1 for axis in (rows, columns))
    return down * (2 * side - 1) + right


class FeedForward(nn.Module):
    """Attention's result and a perceptron, each scaled by channel and added to the tokens."""

    def __init__(self, width: int, layer_scale: float, drop_path: float) -> None:
        super().__init__()
        self.gamma1 = nn.Parameter(torch.full((width,), layer_scale))
        self.gamma2 = nn.Parameter(torch.full((width,), layer_scale))
        self.norm = nn.LayerNorm(width)
        self.mlp = mlp(width, RATIO)
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor, attended: Tensor) -> Tensor:
        """Tokens (batch, n, width)."""
        tokens = tokens + self.drop_path(self.gamma1 * attended)
        return tokens + self.drop_path(self.gamma2 * self.mlp(self.norm(tokens)))


class Transformer(nn.Module):
    """Tokens (batch, n, width) to logits, through self-attention and a gated class token."""

    def __init__(self, tokens: int, size: Size, classes: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.empty(1, 1, size.width))
        self.pos_embed = nn.Parameter(torch.empty(1, tokens + 1, size.width))
        self.blocks = nn.Sequential(*(Block(size.width, size.heads) for _ in range(size.depth)))
        self.norm = nn.LayerNorm(size.width, eps=1e-6)
        self.se_block = Gate(size.width)
        self.head = head(size.width, classes)
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.pos_embed, std=size.position_std)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=size.linear_std)
                nn.init.zeros_(module.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """The class token's logits."""
        tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1) + self.pos_embed
        return self.head(self.se_block(self.norm(self.blocks(tokens)[:, 0])))


class Block(nn.Module):
    """A vision transformer's block, normalised first."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.attn = SelfAttention(width, heads)
        self.mlp = mlp(width, RATIO)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (batch, n, width)."""
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))


class SelfAttention(nn.Module):
    """Attention of tokens among themselves."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (batch, n, width)."""
        queries, keys, values = self.qkv(tokens).chunk(3, dim=-1)
        return self.proj(attention(queries, keys, values, self.heads))
