"""The card of a recognizer: what it learnt from, how good it is on whom, and what it cannot do (Markdown)."""

from __future__ import annotations

from facetory.affectdiff.model_folder import Metric, Model
from facetory.affectdiff.protocol import planted_in_words
from facetory.affectdiff.spec import ModelSpec
from facetory.data.mosei.foundation import foundations
from facetory.data.mosei.spec import MODALITIES

CARD = """---
license: other
library_name: facetory
tags: [multimodal-emotion-recognition, affective-computing{synthetic_tag}]
---
# {name}

{what} It names {task} of one utterance from what is said (text), how (audio) and with which face (video).
{stand_in}
## Use
```sh
facetory affect MODEL --text text.csv --audio audio.csv --video video.csv
{words}```
```python
from facetory import AffectDiff

AffectDiff.load("MODEL").predict(text=words)  # (rows, {widths[0]}) numbers; any one modality will do
```
`MODEL` is this folder. Each stream is a table of raw, un-normalised features, {rows}:

| modality | features | numbers a row |
| --- | --- | --- |
{streams}

The model normalises them as in training and reads the first {length} rows. {absent}

Classes: {classes}.

## What it learnt from
Corpus: {data.title} (`{data.dataset}`); {splits} segments, split {split}. Licence: {data.licence}.
Training segments by class: {counts}.
{planted}
Trained for at most {training.epochs} epochs at batch {training.batch_size}, seed {training.seed}, reading \
`{training.reading}`; {parameters:,} parameters.

## How good it is
{measured}

## Intended use
Research on how modalities are combined, and teaching.

## Limits
- **It does not read feelings.** It predicts which word annotators would have chosen after watching a clip,
  from features of words, voice and face. What somebody feels it cannot know, and it must not be used to judge
  anyone: no hiring, policing, teaching, care or lie detection.
- The classes are very unequal. A class that was rare in training is seldom or never predicted; see the recall
  of each above, where it was measured.
- The attribution says what the *model's* verdict rests on, not why the person feels anything. The graph's
  weights are what the model multiplies its streams by; they are no causes. A counterfactual is the model's
  own guess at another latent code, not another person's utterance.
- It knows the features named above alone; others, or the same from other software, give numbers without
  meaning. Nobody has tested whether it serves all groups of people, languages and accents equally well.
"""
TASKS = {
    "emotion": "the emotion",
    "sentiment7": "the sentiment (−3 to +3)",
    "sentiment2": "the sentiment's sign",
}
SPLITS = {
    "random": "at random, so that a video may be in two parts",
    "stratified": "by video and class",
    "standard": "in the standard folds, by video",
}
PARTS = {"train": "training"}
STAND_IN = """
**Its corpus stands in for {data.stands_in_for}**: nothing here is a result of the paper.
"""
MASKED = "A modality or row that is missing is left out by the model: missing is not zero."
ZEROS = """**It was trained without masks**: a modality or row that is missing is replaced by zeros, the
training segments' mean, as in its training. That is not the same as not knowing it."""
SYNTHETIC = """
**The corpus is synthetic**: no person is in it. How strongly each modality tells the label was planted: \
{strengths}. The scores say how well the model finds what was put there, and nothing of people.
"""


def card(model: Model) -> str:
    """Markdown of a model's card."""
    training, data = model.training, model.data
    strengths = planted_in_words(data.planted) if data.planted else "not stated"
    return CARD.format(
        name=model.name,
        synthetic_tag=", synthetic-data" if data.synthetic else "",
        what=_what(model),
        task=TASKS[training.task],
        stand_in=STAND_IN.format(data=data) if data.stands_in_for else "",
        widths=[model.streams[name].width for name in MODALITIES],
        rows="one row a word" if training.alignment.policy != "code" else "from the beginning of a video",
        words='facetory affect MODEL --words "I am so happy today"\n' if _speaks(model) else "",
        streams="\n".join(
            f"| {name} | {stream.features} | {stream.width} |" for name, stream in model.streams.items()
        ),
        length=training.model.length,
        absent=MASKED if training.model.masks else ZEROS,
        classes=", ".join(model.classes),
        data=data,
        splits=", ".join(f"{count:,} {PARTS.get(name, name)}" for name, count in data.splits.items()),
        split=SPLITS[training.split],
        counts=", ".join(f"{name} {count:,}" for name, count in data.classes.items()),
        planted=SYNTHETIC.format(strengths=strengths) if data.synthetic else "",
        training=training,
        parameters=model.parameters,
        measured=_measured(model),
    )


def _what(model: Model) -> str:
    network = model.training.model
    if isinstance(network, ModelSpec):
        prior = "with" if network.prior_width else "without"
        return (
            "A recognizer after *Multimodal Emotion Recognition via Causal-Diffusion Bridge (Affect-Diff)*, "
            f"{prior} its diffusion prior."
        )
    return f"{network.network.upper()} ({network.size}), a baseline of Affect-Diff's."


def _speaks(model: Model) -> bool:
    """Whether its text features can be made of typed words."""
    return model.streams["text"].features in foundations()


def _measured(model: Model) -> str:
    if not model.metrics:
        return "It has not been measured."
    counts = model.data.classes
    most = max(counts, key=counts.__getitem__)
    videos = f" of {model.videos} videos" if model.videos else ""
    return "\n".join(
        [
            f"On the {model.metrics[0].n:,} test segments{videos}; exact over the whole split, with 95 % "
            f"intervals by bootstrap over videos. By chance, balanced accuracy is {1 / len(counts):.3f} and "
            f"AUROC 0.5; {most} is {counts[most] / sum(counts.values()):.0%} of the training segments, and "
            "always saying so is about as often right.",
            "",
            "| score | value [95 % interval] |",
            "| --- | --- |",
            *(f"| {metric.name} | {interval(metric)} |" for metric in model.metrics),
        ]
    )


def interval(metric: Metric) -> str:
    """A score with its interval, "0.365 [0.320, 0.412]"."""
    if metric.low is None or metric.high is None:
        return f"{metric.value:.3f} [no interval]"
    return f"{metric.value:.3f} [{metric.low:.3f}, {metric.high:.3f}]"
