"""IDiff-Face's checkpoints: the identity-conditioned UNet and its noise schedule, random at full size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from facetory.adaptdiff.released import LISTS
from facetory.diffusion.schedule import linear_betas
from facetory.pipeline.files import read_json
from facetory.rehearsal.random_weights import random_tensors
from facetory.rehearsal.saving import save_torch

if TYPE_CHECKING:
    from torch import Tensor

FILES = {dataset: f"idiff_face_{dataset}_cpd25.ckpt" for dataset in ("ffhq", "casia")}
"""Names in ``<data_root>/checkpoints`` by the faces that a model was trained on."""


def idiff_face(data_root: Path, dataset: str) -> None:
    """Write the checkpoint of the model of ``dataset`` ("ffhq" or "casia"), each with weights of its own."""
    weights = random_tensors(unet_shapes(), seed=list(FILES).index(dataset))
    save_torch(data_root / "checkpoints" / FILES[dataset], diffusion_state(weights))


def unet_shapes() -> dict[str, list[int]]:
    """Shapes of the released UNet's tensors by name."""
    return read_json(LISTS / "idiff_face.json")["weights"]


def diffusion_state(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of the whole diffusion module: the UNet's ``weights`` and the schedule's tables."""
    betas = linear_betas(1000)
    alphas = 1 - betas
    alpha_bars = alphas.cumprod(0)
    tables = {
        "betas": betas,
        "alphas": alphas,
        "sigmas": betas.sqrt(),
        "sqrt_alphas_inv": alphas.rsqrt(),
        "alpha_bars": alpha_bars,
        "sqrt_alpha_bars": alpha_bars.sqrt(),
        "sqrt_one_minus_alpha_bars": (1 - alpha_bars).sqrt(),
        "one_minus_alphas_over_sqrt_one_minus_alpha_bars": betas / (1 - alpha_bars).sqrt(),
    }
    prefix = read_json(LISTS / "idiff_face.json")["prefix"]
    return {
        **{name: table.float() for name, table in tables.items()},
        **{f"{prefix}{name}": tensor for name, tensor in weights.items()},
    }
