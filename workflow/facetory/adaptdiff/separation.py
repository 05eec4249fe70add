"""The separation of the people of a face set: scores by a recogniser, their measures, diversity."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facetory.adaptdiff import diversity
from facetory.adaptdiff.pair_scores import scores
from facetory.faces.face_set import FaceSet
from facetory.metrics.bootstrap import Estimate
from facetory.metrics.pair_bootstrap import PairScores, estimates
from facetory.recognition.face_spec import Embedder
from facetory.recognition.features import feature_network
from facetory.recognition.identity import embedder, in_full_batches

BINS = 200
"""Of the histograms, between −1 and 1."""
PERCEPTUAL = "efficientnet_lite0"
"""The network of the perceptual distance: one that knows no identities."""


class Separation(NamedTuple):
    """``records`` are the arrays that are kept, ``about`` what the manifest says, metrics among it."""

    records: dict[str, np.ndarray]
    about: dict[str, Any]


def separation(
    shown: FaceSet,
    rows: np.ndarray,
    judge: Embedder,
    share: float,
    seed: int,
    device: str,
    data_root: Path | str,
) -> Separation:
    """Scores, their measures and the diversity of some faces of a set, as ``judge`` sees them.

    Faces in which the judge finds none are left out and counted (``unseen``).  Records: ``embeddings``
    float32 (n, d), ``identity`` and ``image`` int64 (n,); ``genuine`` and ``impostor`` float32 scores, the
    latter of ``pairs`` int64 (P, 2) of identities in turn; ``genuine_counts`` and ``impostor_counts`` int64
    (200,) between ``edges``.
    """
    vectors = embedded(shown, rows, judge, device, data_root)
    seen = np.isfinite(vectors).all(axis=1)
    rows, vectors = rows[seen], vectors[seen]
    identity = shown.identity[rows]
    own = scores(vectors, identity, share, seed)
    people = np.unique(identity)
    records = {
        "embeddings": vectors,
        "identity": identity,
        "image": shown.image[rows],
        "genuine": own.genuine,
        "impostor": own.impostor,
        "pairs": people[own.pairs],
        "edges": np.linspace(-1, 1, BINS + 1),
        "genuine_counts": np.histogram(own.genuine, BINS, (-1, 1))[0],
        "impostor_counts": np.histogram(own.impostor, BINS, (-1, 1))[0],
    }
    metrics = measured(shown, rows, vectors, own, seed, device, data_root)
    about = {
        "metrics": {name: as_json(name, found, len(own.impostor)) for name, found in metrics.items()},
        "resampled": "identities",
        "identities": len(people),
        "faces": len(rows),
        "unseen": int((~seen).sum()),
        "judge": judge,
        "perceptual": PERCEPTUAL,
        "genuine": len(own.genuine),
        "impostor": len(own.impostor),
    }
    return Separation(records, about)


def embedded(
    shown: FaceSet, rows: np.ndarray, judge: Embedder, device: str, data_root: Path | str
) -> np.ndarray:
    """Embeddings (n, d) float32 of some faces (`in_full_batches`)."""
    return in_full_batches(embedder(judge, device, data_root), shown, rows)


def measured(
    shown: FaceSet,
    rows: np.ndarray,
    vectors: np.ndarray,
    own: PairScores,
    seed: int,
    device: str,
    data_root: Path | str,
) -> dict[str, Estimate]:
    """All metrics by name: those of the scores, and the measures of diversity."""
    identity = shown.identity[rows]
    distance = feature_network(PERCEPTUAL, device, data_root).distance
    each = np.split(rows, np.flatnonzero(np.diff(identity)) + 1)
    images = [diversity.spreads(shown.pixels(part), distance) for part in each]
    spread = {
        name: diversity.mean_over_people(np.array([person[name] for person in images]), seed)
        for name in diversity.IMAGE_MEASURES
    }
    whole = {"identity_spread": diversity.between_people(vectors, identity, seed)}
    return estimates(own, seed) | diversity.genuine_spread(own, seed) | spread | whole


def as_json(name: str, estimate: Estimate, impostors: int) -> dict[str, float | int | str | None]:
    """An estimate for a manifest: what is not known is null, and for a value there is a ``reason``."""
    told: dict[str, float | int | str | None] = {
        key: value if np.isfinite(value) else None for key, value in estimate._asdict().items()
    }
    if told["value"] is None:
        rate = int(name.removeprefix("fmr")) if name.startswith("fmr") else 0
        few = f"{impostors} impostor scores cannot show a rate of 1 in {rate:,}"
        told["reason"] = few if rate else "no score varies"
    return told
