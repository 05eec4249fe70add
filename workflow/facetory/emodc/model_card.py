"""The card of a trained emotion classifier: data, licence, metrics, intended use, limits (Markdown)."""

from __future__ import annotations

from facetory.emodc.model_folder import Metric, Model

LOSSES = {
    "base": "Base (Eq. 6)",
    "codit": "CoDiT (Eq. 9)",
    "fmdit": "FMDiT (Eq. 10)",
    "amdit": "AMDiT (Eq. 11)",
}
CARD = """---
license: {identifier}
library_name: facetory
tags: [facial-expression-recognition, diffusion-classifier, lora]
---
# {name}

An emotion diffusion classifier (EmoDC): a low-rank adapter on the latent-diffusion model `{backbone}`,
fine-tuned under {loss} of the EmoDC paper. It decides for the class under whose prompt the model
predicts the noise in a face's latent best.
{stand_in}
## Use
```sh
facetory predict MODEL photo.jpg
```
```python
from facetory import EmotionDiffusionClassifier

classifier = EmotionDiffusionClassifier.load("MODEL")
classifier.predict(["photo.jpg"])
```
`MODEL` is this folder. Faces are found and cut as in training (MTCNN, {align_px} px, margin {margin:g}, the
{selection} face) and seen at {px} px.

## Classes
| class | prompt |
| --- | --- |
{prompts}

## Data
{title} (`{dataset}`), {total:,} training images: {counts}.
Splits: {splits}. Licence of the data: {data_licence}; of the backbone: {backbone_licence}.

## Training
{steps:,} steps at batch {batch_size}, AdamW at {lr:g} ({decay}), seed {seed}; LoRA of rank {rank} on
{targets}.

## How good it is
{metrics}

{probabilities}

## Intended use
Research on classifiers, and teaching. It names the category that a picture of a face resembles among the
classes above, as the people who labelled the training images would have named it.

## Limits
- **It does not read feelings.** A face is not a reliable sign of what somebody feels, thinks or intends. Do
  not use it on people without their knowledge, nor to judge anyone: not in hiring, schooling, policing,
  insurance, border control, health or advertising. Several of these uses are forbidden by law in places.
- It always answers with one of its classes, whatever the picture shows. The probability says how the
  classes compare, not whether any of them is right.
- It was measured on {measured}.
  On other cameras, ages, skin tones, poses and light its accuracy is unknown, and nobody has tested whether
  it serves all groups of people equally well.
"""


def card(model: Model) -> str:
    """Markdown of a model's card."""
    training, data = model.training, model.data
    licences = (data.licence, model.backbone.licence)
    stand_in = data.stands_in_for and (
        f"\n**Its training data stand in for {data.stands_in_for}**, which was not at hand: nothing here is "
        "a result of the paper.\n"
    )
    rows = zip(model.classes, model.prompts, strict=False)
    return CARD.format(
        identifier="cc0-1.0" if all(text.startswith("CC0") for text in licences) else "other",
        name=model.name,
        backbone=model.backbone.name,
        loss=LOSSES[model.loss],
        stand_in=stand_in or "",
        align_px=model.faces.align_px,
        margin=model.faces.margin,
        selection=model.faces.selection.replace("_", " "),
        px=model.px,
        prompts="\n".join(f"| {name} | {prompt} |" for name, prompt in rows),
        title=data.title,
        dataset=data.dataset,
        total=sum(data.train.values()),
        counts=", ".join(f"{number} {name}" for name, number in data.train.items()),
        splits=data.splits,
        data_licence=data.licence,
        backbone_licence=model.backbone.licence,
        steps=training.steps,
        batch_size=training.batch_size,
        lr=training.lr,
        decay=training.decay,
        rank=training.lora_rank,
        targets=", ".join(training.lora_targets),
        seed=training.seed,
        metrics=_metrics(model),
        probabilities=_probabilities(model),
        measured=f"the {data.evaluated} split of {data.title} alone" if data.evaluated else "nothing yet",
    )


def _metrics(model: Model) -> str:
    if not model.metrics:
        return "It has not been evaluated."
    lines = [f"| {m.name} | {m.timesteps} | {interval(m)} | {_sample(m)} |" for m in model.metrics]
    guess = f"Always guessing one of {len(model.classes)} classes gives a mean class accuracy of "
    return "\n".join(
        [
            f"On the {model.data.evaluated} split; 95 % intervals by bootstrap over people (over images "
            "where people are unknown).",
            "",
            "| score | timesteps | % [95 % interval] | n |",
            "| --- | --- | --- | --- |",
            *lines,
            "",
            f"{guess}{100 / len(model.classes):.1f} %.",
        ]
    )


def interval(metric: Metric) -> str:
    """A score in per cent with its interval, "36.5 [32.0, 41.2]"."""
    if metric.low is None or metric.high is None:
        return f"{100 * metric.value:.1f} [no interval: one person]"
    return f"{100 * metric.value:.1f} [{100 * metric.low:.1f}, {100 * metric.high:.1f}]"


def _sample(metric: Metric) -> str:
    return f"{metric.n} images" + (f" of {metric.people} people" if metric.people else "")


def _probabilities(model: Model) -> str:
    calibration = model.calibration
    text = "Probabilities are exp(−β · error) over their sum. β: " + calibration.how
    if not calibration.beta:
        return text + "."
    betas = ", ".join(f"{beta:.4g} at {steps}" for steps, beta in calibration.beta.items())
    losses = ", ".join(f"{loss:.2f} at {steps}" for steps, loss in calibration.log_loss.items())
    fitted = f"{text}, n = {calibration.n}: {betas} timesteps."
    if not losses:
        return fitted
    guess = f"equal probabilities have {calibration.guess:.2f}"
    return f"{fitted} Log loss with the β of the other half of the images: {losses} timesteps; {guess}."
