"""LDM's checkpoint with the first stage VQ-f4, random at full size, and its conversion to a snapshot."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from facetory.diffusion import vq
from facetory.recognition.checkpoint import read_weights
from facetory.rehearsal.random_weights import random_tensors, shapes_of
from facetory.rehearsal.saving import foreign_class, save_torch

if TYPE_CHECKING:
    from torch import Tensor

LDM_NAMES = (
    (r"\.down_blocks\.(\d)\.resnets\.", r".down.\1.block."),
    (r"\.down_blocks\.(\d)\.downsamplers\.0\.", r".down.\1.downsample."),
    (r"\.up_blocks\.(\d)\.resnets\.", lambda found: f".up.{vq.LEVELS - 1 - int(found[1])}.block."),
    (r"\.up_blocks\.(\d)\.upsamplers\.0\.", lambda found: f".up.{vq.LEVELS - 1 - int(found[1])}.upsample."),
    (r"\.mid_block\.resnets\.([01])\.", lambda found: f".mid.block_{int(found[1]) + 1}."),
    (r"\.mid_block\.attentions\.0\.", ".mid.attn_1."),
    (r"\.conv_shortcut\.", ".nin_shortcut."),
    (r"\.conv_norm_out\.", ".norm_out."),
    (r"(attn_1)\.group_norm\.", r"\1.norm."),
    (r"(attn_1)\.to_([qkv])\.", r"\1.\2."),
    (r"(attn_1)\.to_out\.0\.", r"\1.proj_out."),
)
"""The way back from diffusers' names to LDM's (`vq.RENAMED`)."""
OTHERS = {
    "betas": (1000,),
    "model_ema.decay": (),
    "model.diffusion_model.time_embed.0.weight": (896, 224),
    "model.diffusion_model.time_embed.0.bias": (896,),
}
"""Some of what the checkpoint holds besides: the schedule, running means, the UNet of 274 million weights."""


def ldm_shapes() -> dict[str, tuple[int, ...]]:
    """Shapes of the first stage's tensors by LDM's names; its attention consists of 1 × 1 convolutions."""
    import torch
    from diffusers import VQModel

    with torch.device("meta"):
        model: Any = VQModel(**vq.VQ_F4)
    return {
        ldm_name(key): (*shape, 1, 1) if ".attentions." in key and len(shape) == 2 else shape
        for key, shape in shapes_of(model).items()
    }


def ldm_name(key: str) -> str:
    """What LDM calls a tensor of diffusers' ``VQModel``."""
    for pattern, name in LDM_NAMES:
        key = re.sub(pattern, name, key)
    return key


def save_checkpoint(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write ``model.ckpt`` as Lightning does: its callback's class is a key in it."""
    state = {f"{vq.WITHIN}{key}": tensor for key, tensor in weights.items()} | random_tensors(OTHERS)
    with foreign_class(vq.BLANKS[0]) as callback:
        content = {
            "epoch": 640,
            "global_step": 635_000,
            "pytorch-lightning_version": "1.4.2",
            "state_dict": state,
            "callbacks": {callback: {"monitor": "val/loss_simple_ema", "best_model_path": "last.ckpt"}},
            "optimizer_states": [{"state": {}, "param_groups": [{"lr": 8.4e-05, "params": [0]}]}],
            "lr_schedulers": [],
        }
        save_torch(path, content)


def vq_f4(folder: Path) -> None:
    """The snapshot ``folder``/vae, converted from a checkpoint as `facetory backbone convert` does."""
    with TemporaryDirectory() as temporary:
        path = Path(temporary) / "model.ckpt"
        save_checkpoint(path, random_tensors(ldm_shapes()))
        vq.convert(read_weights(path, vq.BLANKS), folder)
