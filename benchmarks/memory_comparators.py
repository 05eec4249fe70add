"""The discriminative classifiers' stages: EmoDC's comparators, and the task that trains SMC's guides too."""

from __future__ import annotations

from typing import Any

import numpy as np
from facetory.data.labels import BASIC
from facetory.recognition.expressions import log_probabilities
from facetory.recognition.networks import build, prepare_for
from facetory.recognition.train import schedule_of as classifier_schedule
from facetory.recognition.train import task_of
from facetory.recognition.views import Views
from memory_stage import Stage, frozen, partial_of, study, trained
from memory_tracker import Prepared


def of_comparators() -> list[Stage]:
    """EmoDC's discriminative networks: trained where no authors' checkpoint serves, and evaluated."""
    trained_ones = [s for s in study("emodc").classifiers.values() if s.steps and s.view == "faces"]
    found = {spec.network: spec for spec in trained_ones}
    scored = next(iter(study("emodc").classifications.values()))
    training = [
        Stage(
            f"training, {network}",
            "emodc",
            network,
            spec.precision,
            spec.batch_size,
            spec.px,
            partial_of(train_classifier, spec),
        )
        for network, spec in found.items()
    ]
    spec = found["posterpp"]
    batch, about = scored.batch_size, ("emodc", spec.network, "no")
    evaluation = Stage("evaluation, posterpp", *about, batch, spec.px, partial_of(score_classifier, spec))
    return [*training, evaluation]


def train_classifier(spec: Any, batch: int, device: str) -> Prepared:
    """A step of the classifiers' task."""
    names = [f"face {i}" for i in range(batch)]
    latent = spec.view == "latents"
    shape = (4, spec.px // 8, spec.px // 8) if latent else (3, spec.px, spec.px)
    views = np.zeros((batch, 2 if latent else 1, *shape), np.float32 if latent else np.uint8)
    data = Views(views, np.arange(batch) % len(BASIC), names, names, list(BASIC))
    spec = spec.model_copy(update={"batch_size": batch})
    network = build(spec, len(BASIC), *shape[:2])
    return trained(task_of(spec, data, network, device), classifier_schedule(spec), device)


def score_classifier(spec: Any, batch: int, device: str) -> Prepared:
    """A batch of an evaluation, which is in float32."""
    network, prepare = frozen(lambda: build(spec, len(BASIC)), device), prepare_for(spec)
    images = np.zeros((batch, 3, spec.px, spec.px), np.uint8)
    return Prepared({spec.network: network}, lambda _: log_probabilities(network, prepare, images, batch))
