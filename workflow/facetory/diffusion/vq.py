"""LDM's first stage VQ-f4 (Rombach et al., CVPR 2022) as a snapshot that the backbones' loader reads.

Its encoder does not quantise, its decoder does; the latents (3, px / 4, px / 4) have no scaling factor.
Authors' files that hold it: LDM's checkpoints (the FFHQ model's among them), and IDiff-Face's
``first_stage_encoder_state_dict.pt`` with ``first_stage_decoder_state_dict.pt``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.diffusion.snapshot import save
from facetory.pipeline.files import FacetoryError

if TYPE_CHECKING:
    from torch import Tensor

LEVELS = 3
VQ_F4: dict[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * LEVELS,
    "up_block_types": ("UpDecoderBlock2D",) * LEVELS,
    "block_out_channels": (128, 256, 512),
    "layers_per_block": 2,
    "latent_channels": 3,
    "sample_size": 256,
    "num_vq_embeddings": 8192,
    "vq_embed_dim": 3,
    "scaling_factor": 1.0,
}
"""Of diffusers' ``VQModel``: 55,322,782 parameters, 8192 × 3 of them the codes."""
BLANKS = ("pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",)
"""Classes that LDM's checkpoints mention and nobody needs (`recognition.checkpoint.read_weights`)."""
WITHIN = "first_stage_model."
PARTS = ("encoder.", "decoder.", "quantize.", "quant_conv.", "post_quant_conv.")
RENAMED = (
    (r"\.down\.(\d)\.block\.", r".down_blocks.\1.resnets."),
    (r"\.down\.(\d)\.downsample\.", r".down_blocks.\1.downsamplers.0."),
    (r"\.up\.(\d)\.block\.", lambda found: f".up_blocks.{LEVELS - 1 - int(found[1])}.resnets."),
    (r"\.up\.(\d)\.upsample\.", lambda found: f".up_blocks.{LEVELS - 1 - int(found[1])}.upsamplers.0."),
    (r"\.mid\.block_([12])\.", lambda found: f".mid_block.resnets.{int(found[1]) - 1}."),
    (r"\.mid\.attn_1\.", ".mid_block.attentions.0."),
    (r"\.nin_shortcut\.", ".conv_shortcut."),
    (r"\.norm_out\.", ".conv_norm_out."),
    (r"(attentions\.0)\.norm\.", r"\1.group_norm."),
    (r"(attentions\.0)\.([qkv])\.", r"\1.to_\2."),
    (r"(attentions\.0)\.proj_out\.", r"\1.to_out.0."),
)
"""LDM's names and those of diffusers; LDM counts the decoder's levels from the picture."""


def own_name(key: str) -> str:
    """What diffusers' ``VQModel`` calls a tensor of LDM's."""
    for pattern, name in RENAMED:
        key = re.sub(pattern, name, key)
    return key


def first_stage(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The first stage's tensors in diffusers' names and shapes.

    ``weights`` is the state of a whole LDM (its ``first_stage_model.`` alone is taken) or of the first stage,
    whose loss is left out.  The 1 × 1 convolutions of the attention become matrices.
    """
    inner = {key.removeprefix(WITHIN): tensor for key, tensor in weights.items() if key.startswith(WITHIN)}
    plain = {key: tensor for key, tensor in (inner or weights).items() if key.startswith(PARTS)}
    named = {own_name(key): tensor for key, tensor in plain.items()}
    return {
        key: tensor[..., 0, 0] if ".attentions." in key and tensor.ndim == 4 else tensor
        for key, tensor in named.items()
    }


def convert(weights: Mapping[str, Tensor], folder: Path | str) -> Path:
    """Write the first stage of ``weights`` (`first_stage`) as the snapshot ``folder``/vae; returns that.

    A tensor that is missing, of another shape or not of VQ-f4 is a `FacetoryError`.
    """
    from diffusers import VQModel

    model: Any = VQModel(**VQ_F4)
    try:
        model.load_state_dict(first_stage(weights))
    except RuntimeError as error:
        raise FacetoryError(
            f"{folder}: not the weights of VQ-f4 ({_first_line(error)}). Give LDM's model.ckpt, or both "
            "first_stage_encoder_state_dict.pt and first_stage_decoder_state_dict.pt of IDiff-Face."
        ) from error
    place = Path(folder) / "vae"
    save(model, place, half=False)
    return place


def _first_line(error: RuntimeError) -> str:
    """What differs first, cut to a readable length."""
    told = str(error).splitlines()[1].strip()
    return told if len(told) < 200 else f"{told[:200]} …"
