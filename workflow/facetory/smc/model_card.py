"""The card of an editor: what it learnt from, who guides it, what a judge measured, limits (Markdown)."""

from __future__ import annotations

from facetory.smc.model_folder import Data, Measured, Model, Score
from facetory.smc.settings import in_words

CARD = """---
license: {identifier}
library_name: facetory
tags: [counterfactual-image-editing, sequential-monte-carlo, latent-diffusion, faces, synthetic-data]
---
# {name}

An editor of facial expressions in photographs, after *Counterfactual Emotion Generation via Sequential Monte
Carlo Guided Latent Diffusion Models* (2025). A face is encoded, partly noised and denoised again by many
particles, and a classifier of expressions decides which of them go on.
{stand_in}
## Use
```sh
facetory edit MODEL photo.jpg --emotion happy sad --out strip.png
```
```python
from facetory import CounterfactualEditor

editor = CounterfactualEditor.load("MODEL")
editor.edit("photo.jpg", "happy").save("happy.png")
```
`MODEL` is this folder. Faces are found and cut as in training (MTCNN, {align_px} px, margin {margin:g}, the
{selection} face) and edited at {px} px. Targets: {classes}.

Unless told otherwise: {sampler}.

## Parts
| part | what | trained on | licence |
| --- | --- | --- | --- |
| autoencoder | `{autoencoder.name}` ({autoencoder.source}) | see there | {autoencoder.licence} |
| diffusion model | `{training.architecture}`, {training.steps:,} steps at batch {training.batch_size}, \
AdamW at {training.lr:g}, seed {training.seed}{continued} | {data} | of its data: {data_licences} |
| guide | `{guide.spec.network}`{origin} | {guide_data} | of its data: {guide.data.licence} |

## How good it is
{measured}

## Intended use
Research on classifiers and on samplers: what would have to change in a picture for a classifier to say
something else? And teaching. Edit pictures of yourself, of people who agreed to it, or of nobody.

## Limits
- **It does not read feelings**, nor show how somebody looks when they feel something. It moves a picture
  towards what the guide calls by a name, as the labels of the pictures that it learnt from use it. A face is
  not a reliable sign of what anyone feels.
- **What it makes is synthetic.** Files written by facetory say so in their metadata (IPTC Digital Source
  Type, `synthetic: true`); leave that in. Do not pass the pictures off as photographs, and do not use them
  to mislead about a person.
- The guide's probability is what the sampler maximises, so it flatters the result. Trust the judge's numbers
  above, and only for pictures like those that were measured. Both know nothing but the pictures that they
  were trained on: of others, such as photographs after renders, their verdicts are guesses.
- The whole face goes through the autoencoder: detail is lost even where the expression stays, and more with
  glasses, beards and open mouths. Look at the reconstruction beside the edit.
- People, skin tones, ages and poses that were rare in the training data come out worse, and may come out as
  somebody else. Nobody has tested whether it serves all groups of people equally well.
"""
NAMES = {
    "flip_rate": "judge says the target, of faces that it did not call so before",
    "judge_target": "judge's probability of the target",
    "guide_target": "guide's own probability of the target",
    "realism": "realism (MTCNN's probability of a face)",
    "identity": "identity kept (cosine, 1: the same)",
    "identity_reconstruction": "… by the autoencoder alone",
    "distance": "distance to the source (0: the same)",
    "distance_reconstruction": "… of the autoencoder alone",
}


def card(model: Model) -> str:
    """Markdown of a model's card."""
    everything = [*(own.licence for own in (*model.data, model.guide.data)), model.autoencoder.licence]
    stand_in = model.stands_in_for and (
        f"\n**Its training data stand in for {model.stands_in_for}**, which was not at hand: nothing here is "
        "a result of the paper.\n"
    )
    return CARD.format(
        identifier="cc0-1.0" if all(text.startswith("CC0") for text in everything) else "other",
        name=model.name,
        stand_in=stand_in or "",
        align_px=model.faces.align_px,
        margin=model.faces.margin,
        selection=model.faces.selection.replace("_", " "),
        px=model.px,
        classes=", ".join(model.classes),
        sampler=in_words(model.sampler),
        autoencoder=model.autoencoder,
        training=model.training,
        continued=f", continued from `{model.training.initial}`" if model.training.initial else "",
        guide=model.guide,
        origin=f", weights of {model.guide.origin}" if model.guide.origin else "",
        data="; ".join(map(_data, model.data)),
        data_licences="; ".join(dict.fromkeys(own.licence for own in model.data)),
        guide_data=_data(model.guide.data),
        measured="\n\n".join(map(_measured, model.measured)) or "It has not been measured.",
    )


def _data(own: Data) -> str:
    return f"{own.title} (`{own.dataset}`{f', {own.images:,} images' if own.images else ''})"


def _measured(measured: Measured) -> str:
    people = f" of {measured.people} people" if measured.people else ""
    rows = [f"| {NAMES[name]} | {interval(score)} | {score.n} |" for name, score in measured.scores.items()]
    return "\n".join(
        [
            f"Target **{measured.target}** on the {measured.split} split of {measured.title} "
            f"(`{measured.dataset}`{people}): {in_words(measured.sampler)}. Judge: `{measured.judge}`, "
            f"trained on `{measured.judge_dataset}`; identity by {measured.identity}, distance by "
            f"{measured.features}. Means with 95 % intervals by bootstrap over people (over pictures where "
            "people are unknown).",
            "",
            "| | mean [95 % interval] | faces |",
            "| --- | --- | --- |",
            *rows,
        ]
    )


def interval(score: Score) -> str:
    """A mean with its interval, "0.365 [0.320, 0.412]"."""
    if score.low is None or score.high is None:
        return f"{score.value:.3f} [no interval: one person]"
    return f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"
