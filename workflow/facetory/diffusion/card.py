"""The model card of the demo's backbone, from the record of its pretraining."""

from __future__ import annotations

from typing import Any

from facetory.diffusion.text import LENGTH, MINILM_STD

CARD = """---
license: cc0-1.0
library_name: diffusers
tags: [latent-diffusion, faces, synthetic-data]
---
# facetory's demo backbone

A latent-diffusion model of {px}×{px} faces, small enough for two CPU cores: an `AutoencoderKL`
({vae[parameters]:,} parameters, {latent} latents) and a `UNet2DConditionModel`
({unet[parameters]:,} parameters, ε-prediction) whose cross-attention reads the {length} token features of
all-MiniLM-L6-v2, divided by {std}. It fills the place of Stable Diffusion 2.1 where scale `demo` classifies,
edits and generates faces.

## Training data
{images:,} renders of parametric heads; no photograph of a person is among them. The captions
({captions:,} distinct ones) name age, skin, light and the like, say what brows, eyes and mouth do, and hold
no word for an emotion: what the model knows of emotions by name is MiniLM's alone. {held_out:,} images were
held out, by person.
Example: “{example}”

## Training
| | autoencoder | UNet |
| --- | --- | --- |
| optimiser steps × batch | {vae[steps]:,} × {vae[batch_size]} | {unet[steps]:,} × {unet[batch_size]} |
| minutes on {device} | {vae_minutes:.1f} | {unet_minutes:.1f} |
| last loss | {vae[last][loss]:.4f} | {unet[last][loss]:.4f} |
| on held-out people | PSNR {vae[psnr]:.2f} dB, {vae[psnr_middle]:.2f} dB in the middle half | \
squared error {unet[error]:.4f}, {unet[error_null]:.4f} without caption |

Latents are scaled by {vae[scaling_factor]:.4f}. `manifest.json` holds settings, versions, losses and hashes;
`facetory backbone pretrain` trains it again.

## Limits
It draws rendered heads, not people. It is meant for tests and demonstrations of the pipeline, not for reading
anyone's emotions.
"""


def card(record: dict[str, Any]) -> str:
    """Markdown of the card; ``record`` is the manifest's, as `pretrain` fills it."""
    vae, unet = record["vae"], record["unet"]
    return CARD.format(
        **record["data"],
        vae=vae,
        unet=unet,
        vae_minutes=vae["seconds"] / 60,
        unet_minutes=unet["seconds"] / 60,
        latent="×".join(map(str, vae["latent"])),
        device=record["device_name"],
        length=LENGTH["minilm"],
        std=MINILM_STD,
    )
