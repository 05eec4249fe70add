"""The prior's network: a 1-D U-Net that predicts the noise in a latent sequence (Affect-Diff, Section IV-E).

Channels (B, C, L) are told of the timestep, the label and the graph's weights (Eq. 9).  A mask (B, 1, L) goes
along at every resolution: half as long a sequence has a position where both of its positions are valid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from facetory.affectdiff.layers import GroupNorm, masked, sinusoids
from facetory.affectdiff.prior import cosine_alpha_bars

if TYPE_CHECKING:
    from torch import Tensor

    from facetory.affectdiff.spec import ModelSpec

MULTIPLIERS = (1, 2, 4)
GROUPS = 8


class Block(nn.Module):
    """A residual block: convolution, GroupNorm, SiLU, plus the condition; and once more without it."""

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(inputs, outputs, 3, padding=1)
        self.first_norm = GroupNorm(GROUPS, outputs)
        self.condition = nn.Linear(condition, outputs)
        self.second = nn.Conv1d(outputs, outputs, 3, padding=1)
        self.second_norm = GroupNorm(GROUPS, outputs)
        self.shortcut = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor, mask: Tensor | None) -> Tensor:
        """Channels (B, outputs, L), zero outside of the mask; ``condition`` (B, width) is after its SiLU."""
        inner = F.silu(self.first_norm(self.first(x), mask)) + self.condition(condition)[..., None]
        inner = F.silu(self.second_norm(self.second(masked(inner, mask)), mask))
        return inner + masked(self.shortcut(x), mask)


class UNet1D(nn.Module):
    """ε_θ(z_t, t, y, w); ``alpha_bars`` (T,) is its schedule, ``null`` the label that is none."""

    alpha_bars: Tensor

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        width, latent = spec.prior_width, spec.latent
        wide, self.width, self.null = 4 * width, width, spec.classes
        self.register_buffer(
            "alpha_bars", cosine_alpha_bars(spec.prior_timesteps, spec.beta_range), persistent=False
        )
        self.time = nn.Sequential(nn.Linear(width, wide), nn.GELU(), nn.Linear(wide, wide))
        self.label = nn.Embedding(spec.classes + 1, wide)
        self.modalities = nn.Sequential(
            nn.Linear(len(spec.dims), 2 * width), nn.SiLU(), nn.Linear(2 * width, wide)
        )
        outputs = [width * multiplier for multiplier in MULTIPLIERS]
        stages = list(zip([width, *outputs[:-1]], outputs, strict=True))
        self.begin = nn.Conv1d(latent, width, 7, padding=3)
        self.down = nn.ModuleList(Block(i, i, wide) for i, _ in stages for _ in range(2))
        self.shrink = nn.ModuleList(nn.Conv1d(i, o, 4, stride=2, padding=1) for i, o in stages[:-1])
        self.widen = nn.Conv1d(*stages[-1], 3, padding=1)
        self.middle = nn.ModuleList(Block(outputs[-1], outputs[-1], wide) for _ in range(2))
        rising = stages[::-1]
        self.up = nn.ModuleList(Block(o + i, o, wide) for i, o in rising for _ in range(2))
        self.grow = nn.ModuleList(nn.ConvTranspose1d(o, i, 4, stride=2, padding=1) for i, o in rising[:-1])
        self.narrow = nn.Conv1d(width, width, 3, padding=1)
        self.last = Block(2 * width, width, wide)
        self.end = nn.Conv1d(width, latent, 1)

    def forward(
        self,
        z_t: Tensor,
        timestep: Tensor,
        label: Tensor,
        condition: Tensor | None = None,
        valid: Tensor | None = None,
    ) -> Tensor:
        """ε̂ (B, dz, L) of z_t (B, dz, L), by timestep (B,), label (B,) and the graph's weights (B, 3).

        Label ``null`` is none at all.  No ``condition`` is one of ones.  ``valid``, bool (B, L): only
        these positions are read, and ε̂ is zero elsewhere.
        """
        mask = None if valid is None else valid[:, None].to(z_t.dtype)
        if condition is None:
            condition = torch.ones_like(z_t[:, :3, 0])
        c = F.silu(self.conditioning(timestep, label, condition))
        x = outer = masked(self.begin(masked(z_t, mask)), mask)
        skips: list[Tensor] = []
        masks = [mask]
        for stage in range(len(MULTIPLIERS)):
            for block in self.down[2 * stage : 2 * stage + 2]:
                x = block(x, c, masks[-1])
                skips.append(x)
            if stage < len(self.shrink):
                masks.append(halved(masks[-1]))
                x = masked(self.shrink[stage](x), masks[-1])
        x = masked(self.widen(x), masks[-1])
        for block in self.middle:
            x = block(x, c, masks[-1])
        for stage in range(len(MULTIPLIERS)):
            for block in self.up[2 * stage : 2 * stage + 2]:
                x = block(torch.cat([x, skips.pop()], 1), c, masks[-1])
            if stage < len(self.grow):
                x = doubled(self.grow[stage](x), masks.pop(), skips[-1].shape[2])
        x = masked(self.narrow(x), mask)
        return masked(self.end(self.last(torch.cat([x, outer], 1), c, mask)), mask)

    def conditioning(self, timestep: Tensor, label: Tensor, condition: Tensor) -> Tensor:
        """c = MLP_t(t) + Emb_y(y) + MLP_w(w) (B, 4 width) (Affect-Diff, Eq. 9)."""
        time = self.time(sinusoids(timestep.to(condition.dtype), self.width))
        return time + self.label(label) + self.modalities(condition)


def halved(mask: Tensor | None) -> Tensor | None:
    """The mask of half the resolution: where both positions are valid; an odd one's last is left out."""
    if mask is None:
        return None
    pairs = mask[..., : mask.shape[-1] // 2 * 2].unflatten(-1, (-1, 2))
    return pairs.amin(-1)


def doubled(x: Tensor, mask: Tensor | None, length: int) -> Tensor:
    """Channels of the doubled resolution with zeros up to ``length``, and where the half's mask is 0."""
    if mask is not None:
        x = x * mask.repeat_interleave(2, -1)
    return F.pad(x, (0, length - x.shape[-1]))
