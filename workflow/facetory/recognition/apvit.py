"""APViT: a vision transformer with attentive pooling (Xue et al., IEEE Trans. Affective Computing, 2022).

The first three stages of IR-50 make tokens of a face; the most active of them go on (attentive patch
pooling), and later blocks drop those to which the class token attends least (attentive token pooling).
Parameters are named as in the authors' repository, youqingxiaozhua/APViT, and its configuration for RAF-DB is
the size "paper".  Their blocks skip the pooling of a batch that has as many images as tokens; ours never do.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from facetory.recognition import ir50
from facetory.recognition.layers import mlp

if TYPE_CHECKING:
    from torch import Tensor


class Size(NamedTuple):
    """Channels and units of the convolutional stages; the transformer's width, heads, and keep rates.

    There is a block for each rate, the share of tokens that it keeps besides the class token.  ``stride`` is
    that of the first convolution.
    """

    channels: Sequence[int]
    units: Sequence[int]
    width: int
    heads: int
    keep_rates: Sequence[float]
    stride: int = 1


MLP_RATIO = 3
STD, WIDTH = 0.02, 768
"""Standard deviation of a layer's first weights at the published width; narrower ones start with larger."""
SIZES = {
    "paper": Size(ir50.WIDTHS, ir50.UNITS, width=WIDTH, heads=8, keep_rates=[1.0] * 4 + [0.9] * 4),
    "small": Size((16, 32, 96), (1, 2, 3), width=96, heads=4, keep_rates=[0.9], stride=2),
}
PATCHES_KEPT = 160, 196
"""Of so many patches (a face of 112 pixels), attentive patch pooling keeps so many; of others, that share."""


def apvit(classes: int, size: str = "paper", side: int = 112) -> nn.Module:
    """APViT with random weights: normalised faces (batch, 3, side, side) to logits (batch, classes)."""
    asked = SIZES[size]
    return nn.Sequential(
        OrderedDict(
            extractor=extractor(asked),
            vit=PoolingTransformer(asked, patches=(-(-side // (8 * asked.stride))) ** 2),
            head=nn.Sequential(OrderedDict(fc=nn.Linear(asked.width, classes))),
        )
    )


def extractor(size: Size) -> nn.Sequential:
    """Faces (batch, 3, h, w) to maps (batch, channels[-1], h / 8, w / 8), or less by the stride."""
    stem = ir50.stem(size.channels[0])
    if size.stride > 1:
        stem[0] = nn.Conv2d(3, size.channels[0], 3, size.stride, padding=1, bias=False)
    layers = nn.Sequential(
        OrderedDict(
            input_layer=stem,
            body=nn.Sequential(*ir50.stages(size.channels, size.units)),
        )
    )
    for layer in layers.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
    return layers


class PoolingTransformer(nn.Module):
    """Maps (batch, channels, h, w) to the class token (batch, width) after the last block."""

    def __init__(self, size: Size, patches: int) -> None:
        super().__init__()
        self.kept = patches * PATCHES_KEPT[0] // PATCHES_KEPT[1]
        self.projs = nn.ModuleList([nn.Conv2d(size.channels[-1], size.width, 1)])
        self.cls_token = nn.Parameter(torch.zeros(1, 1, size.width))
        self.patch_pos_embed = nn.Parameter(torch.zeros(1, patches, size.width))
        self.cls_pos_embed = nn.Parameter(torch.zeros(1, 1, size.width))
        self.blocks = nn.Sequential(*(Block(size.width, size.heads, rate) for rate in size.keep_rates))
        self.norm = nn.LayerNorm(size.width, eps=1e-6)
        for weight in (self.patch_pos_embed, self.cls_token):
            nn.init.trunc_normal_(weight, std=STD)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=STD * (WIDTH / size.width) ** 0.5)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, maps: Tensor) -> Tensor:
        """Pool patches by the sum of their activations' absolute values, then attend."""
        patches = self.projs[0](maps).flatten(2).transpose(1, 2)
        strongest = most_weighted(patches.abs().sum(-1), self.kept)
        tokens = chosen(patches + self.patch_pos_embed, strongest)
        first = (self.cls_token + self.cls_pos_embed).expand(len(tokens), -1, -1)
        return self.norm(self.blocks(torch.cat([first, tokens], dim=1)))[:, 0]


class Block(nn.Module):
    """Attention, from which a share of the tokens goes on, and an MLP, both on normalised tokens."""

    def __init__(self, width: int, heads: int, keep_rate: float) -> None:
        super().__init__()
        self.keep_rate = keep_rate
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = mlp(width, MLP_RATIO)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, 1 + n, width) to (batch, 1 + keep_rate · n, width); the class token comes first."""
        attended, weights = self.attn(self.norm1(tokens))
        tokens, others = tokens + attended, tokens.shape[1] - 1
        if (kept := max(int(others * self.keep_rate), 1)) < others:
            positions = 1 + most_weighted(weights[:, 1:], kept)
            tokens = torch.cat([tokens[:, :1], chosen(tokens, positions)], dim=1)
        return tokens + self.mlp(self.norm2(tokens))


class Attention(nn.Module):
    """Multi-head self-attention that also says how much the class token asks for each token."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Attended tokens (batch, n, width), and weights (batch, n): the class token's logits over all heads.

        The logits are summed before softmax; a common scale would not change their order.
        """
        batch, count, width = tokens.shape
        parts = self.qkv(tokens).reshape(batch, count, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        weights = torch.einsum("bhd,bhnd->bn", query[:, :, 0], key)
        attended = F.scaled_dot_product_attention(query, key, value)
        return self.proj(attended.transpose(1, 2).reshape(batch, count, width)), weights


def most_weighted(weights: Tensor, kept: int) -> Tensor:
    """Positions (batch, kept), ascending, of the tokens with the largest of weights (batch, n)."""
    return weights.topk(kept, dim=1).indices.sort(dim=1).values


def chosen(tokens: Tensor, positions: Tensor) -> Tensor:
    """The tokens (batch, kept, width) at some positions (batch, kept) of tokens (batch, n, width)."""
    return tokens.gather(1, positions[..., None].expand(-1, -1, tokens.shape[-1]))
