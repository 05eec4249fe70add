"""The identity-conditioned UNet of IDiff-Face (Boutros et al. 2023; AdaptDiff, "Latent diffusion model").

Names and shapes of the weights are those of the released ``eps_model``.  The time enters every residual block
as scale and shift of its second normalisation, the identity every attention as keys and values.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from facetory.adaptdiff.architectures import Architecture
from facetory.adaptdiff.attention import IdentityAttention, zeroed
from facetory.adaptdiff.blocks import Block, Doubled, Halved, Middle, TimeEmbedding


class Projected(NamedTuple):
    """Contexts as the attentions read them: for each of these the keys and values of m identities."""

    told: tuple[tuple[Tensor, Tensor], ...]

    def rows(self, index: Tensor) -> Projected:
        """The identities at ``index`` (batch,) int64: one row of a batch each."""
        return Projected(tuple((keys[index], values[index]) for keys, values in self.told))


class IdentityUNet(nn.Module):
    """ε̂ of noisy latents at a timestep, given whose face it is."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = sizes = architecture
        first, widths = sizes.initial_channels, sizes.widths()
        self.image_proj = nn.Conv2d(sizes.input_channels, first, 3, padding=1)
        self.time_emb = TimeEmbedding(first)
        self.context_emb = nn.Linear(sizes.context_size, sizes.context_channels)
        self.context_dropout = nn.Dropout(sizes.context_dropout)
        self.down = nn.ModuleList()
        width = first
        for level, out in enumerate(widths):
            for _ in range(sizes.blocks):
                self.down.append(Block(sizes, width, out, sizes.attention[level]))
                width = out
            if level < len(widths) - 1:
                self.down.append(Halved(width))
        self.middle = Middle(sizes, width)
        self.up = nn.ModuleList()
        for level in reversed(range(len(widths))):
            above = widths[level - 1] if level else first
            for out in (*[width] * sizes.blocks, above):
                self.up.append(Block(sizes, width + out, out, sizes.attention[level]))
            width = above
            if level:
                self.up.append(Doubled(width))
        self.norm = nn.GroupNorm(sizes.groups, first)
        self.act = nn.SiLU()
        self.final = zeroed(nn.Conv2d(first, sizes.input_channels, 3, padding=1))

    def project(self, contexts: Tensor) -> Projected:
        """Contexts (m, context size) as the attentions read them, to be computed once per identity.

        In training, components of the projected contexts are dropped.  The empty context is that of zeros:
        what then remains is the projection's bias.
        """
        told = self.context_dropout(self.context_emb(contexts))
        return Projected(tuple(attention.project(told) for attention in self._attentions()))

    def forward(self, x: Tensor, timestep: Tensor, context: Tensor | Projected) -> Tensor:
        """ε̂ (batch, C, h, w) of x of that shape at timesteps (batch,) for contexts (batch, context size).

        h and w divide by 2 to the number of levels less one.  ``context`` may be projected already.
        """
        projected = context if isinstance(context, Projected) else self.project(context)
        told = iter(projected.told)
        time = self.time_emb(timestep)
        x = self.image_proj(x)
        skipped = [x]
        for part in self.down:
            x = part(x, time, told)
            skipped.append(x)
        x = self.middle(x, time, told)
        for part in self.up:
            x = x if isinstance(part, Doubled) else torch.cat((x, skipped.pop()), dim=1)
            x = part(x, time, told)
        return self.final(self.act(self.norm(x)))

    def _attentions(self) -> list[IdentityAttention]:
        """The attentions in the order of the forward pass."""
        return [module for module in self.modules() if isinstance(module, IdentityAttention)]
