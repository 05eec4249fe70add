"""The card of a generator of identities: what it learnt from, what it is for, and what it must not do."""

from __future__ import annotations

from facetory.adaptdiff.model_folder import Data, Measured, Metric, Model
from facetory.adaptdiff.spec import GeneratorSpec, Guidance, IdentitySampler

CARD = """---
license: {identifier}
library_name: facetory
tags: [synthetic-data, latent-diffusion, face-recognition, faces]
---
# {name}

A generator of synthetic identities: of each it draws as many faces as one likes, after *AdaptDiff*, with the
network of IDiff-Face. Nobody's photograph goes in. Identities are random points on a sphere, and while one is
drawn, its faces are led away from another identity of the pool, the more so the later the step.
{stand_in}
## Use
```sh
facetory faces MODEL --identities 20 --images 8 --out DIR
facetory separability DIR
```
```python
from facetory import IdentityFaces

for identity in IdentityFaces.from_folder("MODEL").make(identities=20, images=8):
    identity.images  # uint8 (8, {face_px}, {face_px}, 3)
```
`MODEL` is this folder; it holds all that is needed.

Unless told otherwise: {guidance}; {sampler}; {alignment}.

An image depends on the model, the settings, the seed, its identity and its number alone: asking for more
identities or images changes none of the others.

## Parts
| part | what | licence |
| --- | --- | --- |
| generator | `{training.architecture}`, {parameters:,} parameters, latents {latent}, contexts of \
{context_size} components; {trained} | of its data |
| first stage | `{first_stage.name}` ({first_stage.source}) | {first_stage.licence} |
| identities | {pool:,} random unit vectors, the farthest of each beside it | – |

## What it learnt from
{data}
Identity contexts by `{training.contexts.embedder}`. Licence of the data: {licence}.
{notices}
## How well identities are told apart
{measured}

## Intended use
Research on synthetic data for face recognition, on its quality and on its privacy; teaching; test data where
photographs of people must not be used.

## Misuse and limits
- **No real person is, or may be, imitated.** facetory draws random identities only and takes no photograph.
  Do not feed it the embedding of a person: that makes pictures of somebody who did not agree to it.
- A synthetic face may still resemble a person of the training data by chance, or because the generator
  remembers. Before you publish a set, compare it with them (`adaptdiff_leakage`); low similarity is no proof.
- **What it makes is synthetic.** Files written by facetory say so in their metadata (IPTC Digital Source
  Type, `synthetic: true`), folders in README.txt and metadata.csv; leave that in. Do not pass the pictures
  off as photographs of people, and do not open accounts or deceive anyone with them.
- Well separated identities are not varied ones: guidance moves a face towards its own kind. Look at the
  diversity measures too.
- Skin tones, ages and poses that were rare in the data come out rarer or worse. A recogniser that learns from
  such faces inherits this; nobody has tested that it serves all groups of people equally well. Do not use it
  to identify, watch or judge people.
"""
STAND_IN = """
**Its training data stand in for {name}**, which was not at hand: nothing here is a result of the paper.
"""
FFHQ = (
    "**FFHQ's own notice**: the dataset is not intended for, and should not be used for, development or "
    "improvement of facial recognition technologies. The paper trains face recognisers on faces drawn by a "
    "generator that learnt from it; this model is for checking the paper, and its faces fall under the same "
    "notice in spirit. FFHQ is CC BY-NC-SA 4.0: non-commercial use, with attribution."
)
CASIA = (
    "**CASIA-WebFace** was collected from the web for non-commercial research; the people in it were not "
    "asked. This model falls under the terms under which you hold the dataset."
)
RELEASED = (
    "**The authors' weights** (IDiff-Face, NegFaceDiff) are for non-commercial use with attribution "
    "(CC BY-NC-SA 4.0 and CC BY-NC 4.0)."
)
NOTICES = {"ffhq": FFHQ, "casia_webface": CASIA}


def card(model: Model) -> str:
    """Markdown of a model's card."""
    own, data = model.training, model.data
    notices = [NOTICES[data.dataset]] if data.dataset in NOTICES else []
    notices += [RELEASED] if own.weights else []
    free = all(text.startswith("CC0") for text in (data.licence, model.first_stage.licence))
    return CARD.format(
        identifier="cc0-1.0" if free else "other",
        name=model.name,
        stand_in=STAND_IN.format(name=data.stands_in_for) if data.stands_in_for else "",
        face_px=model.face_px,
        guidance=guidance_in_words(model.guidance),
        sampler=sampler_in_words(model.sampler),
        alignment=_alignment(model),
        training=own,
        parameters=model.parameters,
        latent=" × ".join(map(str, model.latent)),
        context_size=model.context_size,
        trained=training_in_words(own),
        first_stage=model.first_stage,
        pool=model.pool,
        data=_data(data),
        licence=data.licence,
        notices="\n".join(f"\n{notice}\n" for notice in notices),
        measured=_measured(model.measured),
    )


def training_in_words(own: GeneratorSpec) -> str:
    """How long it was trained, and what it started from, whose training data count as its own."""
    if own.weights:
        return "the authors' weights"
    started = f", from the weights of {own.initial} (see its card for what those learnt from)"
    return f"{own.steps:,} steps at batch {own.batch_size}{started if own.initial else ''}"


def guidance_in_words(own: Guidance) -> str:
    """``w = 1 (1 − t/T), away from the far identity``."""
    if own.schedule == "none":
        return "no negative identity (IDiff-Face)"
    shape = {"constant": "", "linear": " (1 − t/T)", "reverse": " t/T"}[own.schedule]
    negative = "nobody (a context of zeros)" if own.negative == "null" else f"the {own.negative} identity"
    return f"w = {own.w_max:g}{shape}, away from {negative}"


def sampler_in_words(own: IdentitySampler) -> str:
    """``DDIM, 50 steps``."""
    names = {"ddpm": "DDPM", "ddim": "DDIM", "dpmpp": "DPM-Solver++", "unipc": "UniPC"}
    return f"{names[own.method]}{', as released' if own.released else ''}, {own.steps} steps"


def _alignment(model: Model) -> str:
    if model.alignment == "none":
        return f"faces of {model.face_px} pixels as they are drawn"
    return f"faces found by MTCNN and turned to the template at {model.face_px} pixels"


def _data(data: Data) -> str:
    counts = [
        f"{data.images:,} faces" if data.images else "",
        f"{data.people:,} people" if data.people else "",
    ]
    told = " of ".join(count for count in counts if count)
    return f"{data.title} (`{data.dataset}`{f': {told}' if told else ''})."


def _measured(measured: Measured | None) -> str:
    if measured is None:
        return "It has not been measured. `facetory separability DIR` measures a set."
    return "\n".join(
        [
            f"By `{measured.judge}`, which had no part in it, on {measured.identities:,} identities with "
            f"{measured.images} images each ({guidance_in_words(measured.guidance)}; "
            f"{sampler_in_words(measured.sampler)}); 95 % intervals by bootstrap over identities.",
            "",
            "| measure | value [95 % interval] |",
            "| --- | --- |",
            *(f"| {metric.name} | {interval(metric)} |" for metric in measured.metrics),
        ]
    )


def interval(metric: Metric) -> str:
    """A measure with its interval, ``0.037 [0.031, 0.044]``."""
    bounds = metric.low is not None and metric.high is not None
    return f"{metric.value:.3f} " + (f"[{metric.low:.3f}, {metric.high:.3f}]" if bounds else "[no interval]")
