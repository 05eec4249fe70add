"""One image of a rendered dataset: its person, facial actions, scene and caption, and its pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import numpy as np

from facetory.data.anny import expressions, people, scene
from facetory.data.index import Sample
from facetory.pipeline.randomness import generator

INTENSITY = {"anny_wild": (0.6, 1.1)}
"""Ranges of the strength of expressions, (0.7, 1.15) elsewhere."""
HARD = {"anny_wild": 1.0, "anny_pretrain": 0.3}
"""Shares of images in hard poses and light."""
COVERED = {"anny_wild": 0.3}
"""Shares of faces with something before them."""


def describe(
    dataset: str, sample: Sample, seed: int
) -> tuple[dict[str, Any], dict[str, float], dict[str, Any], str]:
    """Person, facial actions, scene and caption of a sample: a function of (seed, sample) alone.

    The caption's three sentences name age, skin and hair; what brows, eyes and mouth do, though no emotion;
    light, pose and background.
    """
    who = people.person(seed, sample.person)
    draw = generator(seed, "anny", "actions", sample.sample_id)
    if sample.label:
        moves = expressions.actions(sample.label, draw, INTENSITY.get(dataset, (0.7, 1.15)))
    else:
        moves = expressions.arbitrary(draw)
    draw = generator(seed, "anny", "scene", sample.sample_id)
    share = HARD.get(dataset, 0.0)
    hard = share == 1 or (share > 0 and draw.random() < share)
    view = scene.scene(draw, scene.HARD if hard else scene.EASY, COVERED.get(dataset, 0.0))
    view["tongue"] = moves.get("tongueOut", 0.0)
    seen = expressions.words(moves)
    face = f"A photo of a facial expression with {seen}" if seen else "A photo of a still face"
    caption = f"A photo of {people.words(who)}. {face}. A photo, {scene.words(view)}."
    return who, moves, view, caption


def images(
    dataset: str, samples: Iterable[Sample], seed: int, pixels: int
) -> Iterator[tuple[Sample, np.ndarray]]:
    """Each sample with its image (pixels, pixels, 3), uint8; neighbours of one person share their skin."""
    from facetory.data.anny import head, window

    model = head.load()
    render = window.renderer(pixels)
    for _, group in groupby(samples, key=lambda sample: sample.person):
        rest, still = None, None
        for sample in group:
            who, moves, view, _ = describe(dataset, sample, seed)
            if rest is None or still is None:
                rest = head.coefficients(model.model, [who])[0]
                still = head.vertices(model, rest, {})
            yield sample, render(head.vertices(model, rest, moves), still, who, view)
