"""Which faces are edited, and towards which expression each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facetory.data.labels import ALIASES, plain_name
from facetory.faces.views import Chosen, choose
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.randomness import sample_keys, stream_key, uniform
from facetory.pipeline.sampling import spread
from facetory.pipeline.suggest import unknown

RANDOM = "random"


def chosen_faces(ledger: Path | str, split: str, images: int, labels: Sequence[str] = ()) -> Chosen:
    """``images`` faces of a split (all of fewer), of the classes ``labels`` (all for none), in its order.

    They are spread over the classes (`pipeline.sampling.spread`).  A label that the dataset lacks, or of
    which the split has no face, is a `FacetoryError`.
    """
    chosen = choose(ledger, split)
    for label in labels:
        if label not in chosen.classes:
            raise unknown("label", label, chosen.classes, str(ledger))
    wanted = [chosen.classes.index(label) for label in labels]
    positions = np.flatnonzero(np.isin(chosen.labels, wanted)) if labels else np.arange(len(chosen.rows))
    if not len(positions):
        raise FacetoryError(
            f"{ledger}: split {split!r} has no face of {', '.join(labels)}. Name others in `labels`."
        )
    ids = [chosen.sample_ids[i] for i in positions]
    kept = positions[spread(chosen.labels[positions], ids, images)]
    return chosen._replace(
        rows=[chosen.rows[i] for i in kept],
        labels=chosen.labels[kept],
        sample_ids=[chosen.sample_ids[i] for i in kept],
        persons=[chosen.persons[i] for i in kept],
    )


def targets_of(
    target: str,
    guide_classes: Sequence[str],
    sources: Sequence[str | None],
    sample_ids: list[str],
    seed: int,
    where: str,
) -> np.ndarray:
    """The target of each face, (n,) int64 into ``guide_classes``.

    ``target`` is one of them ("happy" is happiness), or "random": of each face another than its source's
    class (None where unknown), a function of (seed, sample id).  Any other is a `FacetoryError`.
    """
    plain = plain_name(target)
    if plain == RANDOM:
        return _random(guide_classes, sources, sample_ids, seed)
    name = ALIASES.get(plain, plain)
    if name not in guide_classes:
        raise unknown("target", target, [*guide_classes, RANDOM], where)
    return np.full(len(sample_ids), guide_classes.index(name), dtype=np.int64)


def _random(
    guide_classes: Sequence[str], sources: Sequence[str | None], sample_ids: list[str], seed: int
) -> np.ndarray:
    draws = uniform(stream_key(seed, "smc", "random target"), sample_keys(sample_ids), 0, 1)[:, 0]
    found = []
    for draw, source in zip(draws, sources, strict=True):
        others = [i for i, name in enumerate(guide_classes) if name != source]
        found.append(others[int(draw * len(others))])
    return np.array(found, dtype=np.int64)
