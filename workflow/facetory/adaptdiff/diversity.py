"""How much the images of a person differ, and people from each other: direct measures of diversity.

A wide spread of genuine scores is no sign of diverse images by itself: it also grows where some people are
more alike than others.  `genuine_spread` takes the two apart, and the other measures look at the images.
Each is a mean over people, higher for more diverse, with an interval over resampled people.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from facetory.metrics.bootstrap import Estimate, bootstrap, weighted_bootstrap
from facetory.metrics.pair_bootstrap import REPLICATES, PairScores
from facetory.recognition.identity import unit

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Rec. 601."""
Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Perceptual distance (n,) of two batches of pictures (n, 3, h, w)."""


def spreads(images: np.ndarray, distance: Distance) -> dict[str, float]:
    """How the aligned faces of one person, uint8 (k, 3, px, px), differ; NaN for a single one.

    - diversity_pixels: the standard deviation over the images of a pixel's grey level, mean over pixels
      [grey levels of 255]; it tells of pose and hair as of background and light.
    - diversity_light: that of an image's mean grey level [grey levels]: how bright the light is.
    - diversity_asymmetry: that of the mean of the left half less that of the right [grey levels]: from where
      the light comes, and turned heads.
    - diversity_perceptual: the mean perceptual distance of images 1 and 2, 3 and 4, … [no unit].

    Standard deviations divide by k − 1.
    """
    if len(images) < 2:
        return dict.fromkeys(IMAGE_MEASURES, np.nan)
    grey = np.einsum("kchw,c->khw", images.astype(np.float32), LUMA)
    half = grey.shape[2] // 2
    sides = grey[:, :, :half].mean((1, 2)) - grey[:, :, -half:].mean((1, 2))
    pairs = len(images) // 2 * 2
    found = (
        grey.std(axis=0, ddof=1).mean(),
        grey.mean((1, 2)).std(ddof=1),
        sides.std(ddof=1),
        distance(images[0:pairs:2], images[1:pairs:2]).mean(),
    )
    return dict(zip(IMAGE_MEASURES, map(float, found), strict=True))


IMAGE_MEASURES = ("diversity_pixels", "diversity_light", "diversity_asymmetry", "diversity_perceptual")


def mean_over_people(values: np.ndarray, seed: int = 0) -> Estimate:
    """The mean of values (N,) of people; those without one (NaN) are left out."""
    known = ~np.isnan(values)
    summands = np.stack([np.where(known, values, 0), known], axis=1)
    found = bootstrap(summands, _people(len(values)), _mean, seed, REPLICATES)
    return found._replace(n=int(known.sum()))


def genuine_spread(scores: PairScores, seed: int = 0) -> dict[str, Estimate]:
    """diversity_features, and the genuine scores' standard deviation within and between people.

    diversity_features is 1 − the mean genuine cosine of a person, mean over people.  The squares of
    genuine_std_within (about each person's own mean) and genuine_std_between (of these means, weighted by
    their scores) add up to that of the genuine standard deviation.
    """
    sizes = scores.of_person
    person = np.repeat(np.arange(len(sizes)), sizes)
    sums, squares = (np.bincount(person, scores.genuine.astype(float) ** p, len(sizes)) for p in (1, 2))
    some = sizes > 0
    means = np.divide(sums, sizes, out=np.full(len(sizes), np.nan), where=some)
    within = np.where(some, squares - sums * np.where(some, means, 0), 0).clip(min=0)
    table = np.stack([sizes, sums, squares, within], axis=1)
    parts = {"genuine_std_within": _within, "genuine_std_between": _between}
    return {"diversity_features": mean_over_people(1 - means, seed)} | {
        name: bootstrap(table, _people(len(sizes)), part, seed, REPLICATES)._replace(n=len(person))
        for name, part in parts.items()
    }


def between_people(embeddings: np.ndarray, identity: np.ndarray, seed: int = 0) -> Estimate:
    """identity_spread: 1 − the mean cosine of the mean embeddings of two people.

    embeddings: (n, d) unit vectors; identity: (n,) integers.  A resample has no pair of a person with a copy
    of itself.
    """
    names, person = np.unique(identity, return_inverse=True)
    sums = np.zeros((len(names), embeddings.shape[1]))
    np.add.at(sums, person, embeddings)
    centres = unit(sums)

    def statistic(drawn: np.ndarray) -> np.ndarray:
        alone = np.square(drawn).sum(1)
        pairs = np.square(drawn.sum(1)) - alone
        cosines = np.square(drawn @ centres).sum(1) - alone
        return 1 - np.divide(cosines, pairs, out=np.full(len(drawn), np.nan), where=pairs > 0)

    return weighted_bootstrap(statistic, _people(len(names)), seed, REPLICATES)


def _people(count: int) -> list[str]:
    return [f"{number:09d}" for number in range(count)]


def _mean(sums: np.ndarray) -> np.ndarray:
    return _share(sums[..., 0], sums[..., 1])


def _within(sums: np.ndarray) -> np.ndarray:
    return np.sqrt(_share(sums[..., 3], sums[..., 0]))


def _between(sums: np.ndarray) -> np.ndarray:
    """The rest of the variance."""
    mean, square, within = (_share(sums[..., k], sums[..., 0]) for k in (1, 2, 3))
    return np.sqrt((square - mean**2 - within).clip(min=0))


def _share(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    under = np.asarray(under, dtype=float)
    return np.divide(over, under, out=np.full(under.shape, np.nan), where=under > 0)
