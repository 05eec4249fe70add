"""The committed architectures (architectures/*.json) as modules of diffusers, with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facetory.pipeline.files import read_json
from facetory.pipeline.suggest import unknown

FOLDER = Path(__file__).with_name("architectures")


def architecture(name: str) -> dict[str, dict[str, Any]]:
    """The configurations {"unet": …} and, but of "smc", {"vae": …}; an unknown name is a `FacetoryError`."""
    if name not in architectures():
        raise unknown("architecture", name, architectures(), str(FOLDER))
    return read_json(FOLDER / f"{name}.json")


def architectures() -> list[str]:
    """The names of the committed files."""
    return sorted(file.stem for file in FOLDER.glob("*.json"))


def reads_text(name: str) -> bool:
    """Whether the UNet is conditioned on text, or unconditional (`diffusion.unconditional`)."""
    return "cross_attention_dim" in architecture(name)["unet"]


def new_unet(name: str, latent_channels: int | None = None) -> Any:
    """An untrained UNet; torch's global generator and default device decide its weights and their place."""
    from diffusers import UNet2DConditionModel

    config = architecture(name)["unet"]
    if latent_channels:
        config |= {"in_channels": latent_channels, "out_channels": latent_channels}
    return UNet2DConditionModel(**config)


def new_vae(name: str, latent_channels: int | None = None) -> Any:
    """An untrained autoencoder, as `new_unet`."""
    from diffusers import AutoencoderKL

    config = architecture(name)["vae"]
    return AutoencoderKL(**config | ({"latent_channels": latent_channels} if latent_channels else {}))
