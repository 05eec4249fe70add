"""What Affect-Diff's stages compute: segments through a recogniser."""

from __future__ import annotations

from facetory.affectdiff.spec import BaselineSpec, CounterfactualSpec, RecognizerSpec, ScoreSpec
from facetory.pipeline.work import Sizes, Work


def network_of(spec: RecognizerSpec) -> str:
    """A recogniser as `counted.json` names it: by the digest of its model, as it has many fields."""
    model = spec.model
    name = f"{model.network}_{model.size}" if isinstance(model, BaselineSpec) else "affect_diff"
    return f"recognizer/{name}-{model.digest}"


def training(spec: RecognizerSpec, sizes: Sizes) -> Work:
    """Every segment of every epoch, and its validation: at most so many, as training may end sooner."""
    segments = sizes.segments(spec.alignment.id)
    batches = -(-segments["train"] // spec.batch_size)
    return {
        (network_of(spec), "training"): spec.epochs * batches * spec.batch_size,
        (network_of(spec), "forward"): spec.epochs * segments["validation"],
    }


def score(spec: ScoreSpec, sizes: Sizes) -> Work:
    """The validation split, and the test split under every condition."""
    segments = sizes.segments(spec.train.alignment.id)
    rows = segments["validation"] + len(spec.conditions) * segments["test"]
    return {(network_of(spec.train), "forward"): rows}


def counterfactual(spec: CounterfactualSpec, sizes: Sizes) -> Work:
    """Each example inverted once and resampled under every label, guided: at most so many whole passes."""
    test = sizes.segments(spec.train.alignment.id)["test"]
    examples = test if spec.examples is None else min(test, spec.examples)
    rows = 2 * examples * spec.steps * (1 + spec.train.model.classes)
    return {(network_of(spec.train), "forward"): rows}
