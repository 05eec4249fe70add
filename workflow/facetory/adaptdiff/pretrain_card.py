"""The card of the demo's identity models: what they learnt from, how, and how well they tell people apart."""

from __future__ import annotations

from typing import Any

CARD = """\
---
license: cc0-1.0
tags: [face-recognition, latent-diffusion, synthetic-data]
---
# facetory's demo identities

Two small networks that tell rendered people apart, and a generator that draws a person from such a
network's embedding, for scale `demo` of AdaptDiff on two CPU cores:

- `context.safetensors`, in ElasticFace-Arc's place: IResNet with four blocks, {context[parameters]:,}
  parameters, {d} components. Its embeddings are the contexts.
- `judge.safetensors`, in ElasticFace-Cos's: the same network from another seed, on other people. It scores
  the generator's faces.
- `generator/unet.safetensors`, in IDiff-Face's: a UNet of {generator[parameters]:,} parameters (float16) on
  the {latent} latents of models/demo-faces, told the context by cross-attention, with {dropout:.0%} of the
  projected context's components dropped in training.

## Training data
{images:,} renders of {people:,} parametric heads, those of models/demo-faces: tight crops of {px}×{px},
{each} of each person in any expression, pose and light; no photograph of a person is among them. {held_out}
images were held out of both networks, by person. Of the other people the context network has every second
one, the judge the rest, so the two share neither people nor seed. The generator learnt from all images but
{generator[held_out]}, by person, under the context network's embeddings.

## Training
| | context | judge | generator |
| --- | --- | --- | --- |
| loss | CosFace, margin {margin:g}, scale {scale:g} | the same | squared error of the noise, linear betas, \
T = 1000 |
| people | {context[people]:,} | {judge[people]:,} | |
| optimiser steps × batch | {context_size} | {judge_size} | {generator_size} |
| minutes by the clock, on {device} | {context_minutes:.1f} | {judge_minutes:.1f} | {generator_minutes:.1f} |
| last loss | {context[last][loss]:.3f} | {judge[last][loss]:.3f} | {generator[last][loss]:.4f} |

Faces are mirrored; the networks' are also turned, zoomed, moved, lit and tinted a little. Afterwards the mean
of each network's features over its training images is moved to zero, in the bias of the last layer: synthetic
identities are drawn uniformly from the sphere, and embeddings should balance there too.

## What they can do
Scores are cosines of all pairs of images; nobody here was seen in training.

| | context | judge |
| --- | --- | --- |
| EER, held-out people ({held_out} images) | {context_held[eer]:.1%} | {judge_held[eer]:.1%} |
| EER, {unseen} people of the other network | {context_unseen[eer]:.1%} | {judge_unseen[eer]:.1%} |
| genuine, impostor mean | {context_unseen[genuine_mean]:.3f}, {context_unseen[impostor_mean]:z.3f} | \
{judge_unseen[genuine_mean]:.3f}, {judge_unseen[impostor_mean]:z.3f} |
| FDR | {context_unseen[fdr]:.2f} | {judge_unseen[fdr]:.2f} |
| length of the mean embedding (0: balanced) | {context[isotropy][mean_length]:.3f} | \
{judge[isotropy][mean_length]:.3f} |
| dimensions that embeddings fill, of {d} | {context[isotropy][dimensions]:.1f} | \
{judge[isotropy][dimensions]:.1f} |

The generator's squared error on held-out people is {generator[error]:.4f} under their own contexts and
{generator[error_under_another]:.4f} under another person's.

`manifest.json` holds settings, versions, losses and hashes. To train them again:

    facetory identity pretrain --packed packed.safetensors --folder demo-identity

## Limits
They know rendered heads, not people: neither network recognises anybody in a photograph, and the generator
draws nobody who lives. A context says more than who it is: with four images of a person to learn from, light,
pose and background are not quite left out of it, so that images of one synthetic person often share their
background. The models are meant for tests and demonstrations of the pipeline.
"""


def card(record: dict[str, Any]) -> str:
    """Markdown of the card; ``record`` is the manifest's, as `pretrain.pretrain` fills it."""
    parts = {part: record[part] for part in ("context", "judge", "generator")}
    spec = record["spec"]
    sizes = {f"{part}_size": f"{own['steps']:,} × {own['batch_size']}" for part, own in parts.items()}
    minutes = {f"{part}_minutes": own["seconds"] / 60 for part, own in parts.items()}
    measured = {
        f"{part}_{whom}": parts[part]["measured"][name]
        for part in ("context", "judge")
        for whom, name in (("held", "held_out"), ("unseen", "unseen"))
    }
    return CARD.format(
        **record["data"],
        **parts,
        **sizes,
        **minutes,
        **measured,
        d=spec["embedding"],
        each=record["data"]["images"] // record["data"]["people"],
        unseen=parts["context"]["unseen_people"],
        latent="×".join(map(str, parts["generator"]["latent"])),
        margin=spec["margin"],
        scale=spec["scale"],
        dropout=spec["context_dropout"],
        device=record["device_name"],
    )
