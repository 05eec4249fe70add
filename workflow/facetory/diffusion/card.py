"""The model cards of the demo's models, from the records of their pretraining."""

from __future__ import annotations

from typing import Any

from facetory.diffusion.text import LENGTH, MINILM_STD

CARD = """---
license: cc0-1.0
library_name: diffusers
tags: [latent-diffusion, faces, synthetic-data]
---
# facetory's demo {title}

{what}

## Training data
{images:,} renders of parametric heads; no photograph of a person is among them. {told} {held_out:,} images \
were
held out, by person.{more}

## Training
| | autoencoder | UNet |
| --- | --- | --- |
| optimiser steps × batch | {vae[steps]:,} × {vae[batch_size]} | {unet[steps]:,} × {unet[batch_size]} |
| minutes on {device} | {vae_minutes:.1f} | {unet_minutes:.1f} |
| last loss | {vae[last][loss]:.4f} | {unet[last][loss]:.4f} |
| on held-out people | PSNR {vae[psnr]:.2f} dB, {vae[psnr_middle]:.2f} dB in the middle half | \
squared error {unet[error]:.4f}{uncaptioned} |

Latents are scaled by {vae[scaling_factor]:.4f}. `manifest.json` holds settings, versions, losses and hashes;
`facetory backbone pretrain{options}` trains it again.

## Limits
{limits}
"""

CAPTIONED = {
    "title": "backbone",
    "what": """A latent-diffusion model of {px}×{px} faces, small enough for two CPU cores: an `AutoencoderKL`
({vae[parameters]:,} parameters, {latent} latents) and a `UNet2DConditionModel`
({unet[parameters]:,} parameters, ε-prediction) whose cross-attention reads the {length} token features of
all-MiniLM-L6-v2, divided by {std}. It fills the place of Stable Diffusion 2.1 where scale `demo` classifies,
edits and generates faces.""",
    "told": """The captions
({captions:,} distinct ones) name age, skin, light and the like, say what brows, eyes and mouth do, and hold
no word for an emotion: what the model knows of emotions by name is MiniLM's alone.""",
    "more": "\nExample: “{example}”",
    "uncaptioned": ", {unet[error_null]:.4f} without caption",
    "options": "",
    "limits": """\
It draws rendered heads, not people. It is meant for tests and demonstrations of the pipeline, not for reading
anyone's emotions.""",
}

UNCONDITIONAL = {
    "title": "faces",
    "what": """An unconditional latent-diffusion model of {px}×{px} faces, small enough for two CPU cores: an
`AutoencoderKL` ({vae[parameters]:,} parameters, {latent} latents) and a `UNet2DModel`
({unet[parameters]:,} parameters, ε-prediction, DDPM with the betas of scheduler/). Scale `demo` edits faces
with it where SMC's paper trains 113,675,524 parameters on CelebA-HQ: the autoencoder is used as it is, and
the UNet's training on the demo's faces starts from these weights.""",
    "told": """Their captions were not
used. The autoencoder saw {grey:.0%} of the images without colour, for photographs that have none.""",
    "more": "",
    "uncaptioned": "",
    "options": " --architecture {architecture}",
    "limits": """\
It draws rendered heads, not people, and knows no expression by name: where an edit leads is its guide's doing
alone. It is meant for tests and demonstrations of the pipeline, not for changing pictures of people or for
reading anyone's emotions.""",
}


def card(record: dict[str, Any]) -> str:
    """Markdown of the card; ``record`` is the manifest's, as `pretrain` fills it."""
    vae, unet = record["vae"], record["unet"]
    values = record["data"] | {
        "vae": vae,
        "unet": unet,
        "vae_minutes": vae["seconds"] / 60,
        "unet_minutes": unet["seconds"] / 60,
        "latent": "×".join(map(str, vae["latent"])),
        "device": record["device_name"],
        "length": LENGTH["minilm"],
        "std": MINILM_STD,
        "grey": vae.get("grey", 0.0),
        "architecture": record["spec"]["architecture"],
    }
    kind = CAPTIONED if "error_null" in unet else UNCONDITIONAL
    return CARD.format(**values, **{part: text.format(**values) for part, text in kind.items()})
