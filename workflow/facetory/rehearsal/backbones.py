"""Snapshots of latent-diffusion backbones as the hub has them: full size, float32, random weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facetory.diffusion.architecture import new_unet, new_vae
from facetory.diffusion.place import WEIGHTS
from facetory.pipeline.files import read_json, write_json
from facetory.rehearsal.random_weights import random_tensors, shapes_of
from facetory.rehearsal.saving import folder_aside, save_safetensors
from facetory.rehearsal.tokenizers import save_clip_tokenizer

SCALING_FACTOR = 0.18215
LOG_VARIANCE = -12.0
"""Of a latent's posterior, about that of Stable Diffusion's autoencoder."""
SCHEDULER = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.8.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
}
MODEL_INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.8.0",
    "feature_extractor": ["transformers", "CLIPImageProcessor"],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
TEXT_ENCODER = {
    "architectures": ["CLIPTextModel"],
    "attention_dropout": 0.0,
    "bos_token_id": 0,
    "dropout": 0.0,
    "eos_token_id": 2,
    "hidden_act": "gelu",
    "hidden_size": 1024,
    "initializer_factor": 1.0,
    "initializer_range": 0.02,
    "intermediate_size": 4096,
    "layer_norm_eps": 1e-05,
    "max_position_embeddings": 77,
    "model_type": "clip_text_model",
    "num_attention_heads": 16,
    "num_hidden_layers": 23,
    "pad_token_id": 1,
    "projection_dim": 512,
    "torch_dtype": "float32",
    "transformers_version": "4.25.0.dev0",
    "vocab_size": 49408,
}
"""OpenCLIP's text encoder of ViT-H/14 without its last layer, as Stable Diffusion 2.1 configures it."""
OLD_ATTENTION = (
    (r"(attentions\.0\.)to_q\.", r"\1query."),
    (r"(attentions\.0\.)to_k\.", r"\1key."),
    (r"(attentions\.0\.)to_v\.", r"\1value."),
    (r"(attentions\.0\.)to_out\.0\.", r"\1proj_attn."),
)
"""The names under which diffusers saved an autoencoder's attention when these were published."""


def stable_diffusion(
    folder: Path, architecture: str = "sd21", text: Mapping[str, Any] = TEXT_ENCODER
) -> None:
    """A whole snapshot of Stable Diffusion 2.1 base, or of another ``architecture`` and ``text`` encoder."""
    with folder_aside(folder) as aside:
        write_json(aside / "model_index.json", MODEL_INDEX)
        write_json(aside / "scheduler" / "scheduler_config.json", SCHEDULER)
        save_clip_tokenizer(aside / "tokenizer", text["vocab_size"])
        save_text_encoder(aside / "text_encoder", text)
        save_autoencoder(aside / "vae", architecture)
        save_unet(aside / "unet", architecture)


def autoencoder_alone(folder: Path, part: str = "", architecture: str = "sd21") -> None:
    """A snapshot with an autoencoder alone, in itself or its subfolder ``part``; it states no factor."""
    with folder_aside(folder) as aside:
        save_autoencoder(aside / part, architecture)
        config = aside / part / "config.json"
        write_json(config, {k: v for k, v in read_json(config).items() if k != "scaling_factor"})


def save_unet(folder: Path, architecture: str) -> None:
    """The UNet of a committed architecture."""
    unet = _planned(new_unet, architecture)
    unet.save_config(folder)
    save_safetensors(folder / WEIGHTS["unet"], random_tensors(shapes_of(unet)))


def save_autoencoder(folder: Path, architecture: str) -> None:
    """The autoencoder of a committed architecture, its attention under the old names.

    Latents have standard deviation of about 1 after scaling, pictures mostly levels in −1 … 1.
    """
    vae = _planned(new_vae, architecture)
    vae.save_config(folder)
    weights = random_tensors(shapes_of(vae))
    channels = vae.config.latent_channels
    weights["quant_conv.weight"][:channels] /= SCALING_FACTOR
    weights["quant_conv.bias"][channels:] = LOG_VARIANCE
    weights["post_quant_conv.weight"] *= SCALING_FACTOR
    save_safetensors(folder / WEIGHTS["vae"], {old_name(key): tensor for key, tensor in weights.items()})


def old_name(key: str) -> str:
    """What a published autoencoder calls a tensor of diffusers'."""
    for pattern, name in OLD_ATTENTION:
        key = re.sub(pattern, name, key)
    return key


def save_text_encoder(folder: Path, config: Mapping[str, Any] = TEXT_ENCODER) -> None:
    """CLIP's text encoder under the names of transformers 4."""
    write_json(folder / "config.json", config)
    save_safetensors(folder / WEIGHTS["text_encoder"], random_tensors(text_shapes(config)))


def text_shapes(config: Mapping[str, Any] = TEXT_ENCODER) -> dict[str, tuple[int, ...]]:
    """Shapes of the text encoder's tensors by their published names, the table of positions among them."""
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.device("meta"):
        model = CLIPTextModel(CLIPTextConfig(**{k: v for k, v in config.items() if k != "architectures"}))
    table: dict[str, tuple[int, ...]] = {"embeddings.position_ids": (1, config["max_position_embeddings"])}
    shapes = table | shapes_of(model)
    return {f"text_model.{key.removeprefix('text_model.')}": shape for key, shape in shapes.items()}


def _planned(new: Any, architecture: str) -> Any:
    import torch

    with torch.device("meta"):
        return new(architecture)
