"""A synthetic corpus in CMU-MOSEI's files: real dimensions, imbalance and faults, and a planted signal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facetory.data.mosei.spec import CorpusSpec
from facetory.data.mosei.splits import SPLITS, standard_fold, standard_folds
from facetory.data.mosei.traps import spoil, victims
from facetory.data.mosei.utterances import Sequence, video
from facetory.data.mosei.write_csd import write_csd
from facetory.pipeline.config import load_yaml
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.randomness import sample_keys, stream_key, uniform

PLANTED = Path(__file__).with_name("synthetic.yaml")
DATASET = "synthetic_mosei"
FILES = {
    "text": ("language/CMU_MOSEI_TimestampedWordVectors.csd", "glove_vectors"),
    "audio": ("acoustic/CMU_MOSEI_COVAREP.csd", "COVAREP"),
    "video": ("visual/CMU_MOSEI_VisualFacet42.csd", "FACET 4.2"),
    "labels": ("labels/CMU_MOSEI_Labels.csd", "All Labels"),
    "words": ("language/CMU_MOSEI_TimestampedWords.csd", "words"),
}
"""File and root name of each sequence, as the SDK names them."""


def planted() -> dict[str, Any]:
    """What is planted, as synthetic.yaml says it."""
    return load_yaml(PLANTED)


def write_corpus(
    spec: CorpusSpec, folder: Path | str, traps: Mapping[str, float] | None = None
) -> dict[str, Path]:
    """Write the five files of a synthetic corpus below ``folder``; returns their paths by sequence.

    The ids are the standard folds', in their proportions, and some that no fold has.  A video's content
    before its faults is a function of (seed, id).  ``traps`` replaces the shares of synthetic.yaml; with
    ``{}`` the files are faultless.
    """
    about = planted()
    shares = about["traps"] if traps is None else traps
    names = video_ids(spec.videos, spec.seed, shares.get("prefix_ids", 0))
    caught = victims(names, shares, spec.seed)
    contents: dict[str, dict[str, Sequence]] = {name: {} for name in FILES}
    for name in sorted(names):
        for sequence, content in spoil(name, video(name, spec, about), shares, caught, spec.seed).items():
            contents[sequence][name] = content
    paths = {}
    for sequence, (file, root) in FILES.items():
        paths[sequence] = Path(folder) / file
        write_csd(paths[sequence], root, contents[sequence], _metadata(sequence, spec))
    return paths


def video_ids(count: int, seed: int, prefixes: float = 0.0) -> list[str]:
    """Ids of ``count`` videos: each fold's share by keyed draw, and a share that are prefixes of others.

    The latter are in no fold, as 66 of the real corpus's 3,293 are.  Too many or none is a `FacetoryError`.
    """
    folds = [sorted(standard_folds()[part]) for part in SPLITS]
    total = sum(map(len, folds))
    if not 0 < count <= total:
        raise FacetoryError(f"{DATASET}: {count} videos asked for; the folds have ids for 1 to {total}.")
    draws = [uniform(stream_key(seed, "mosei ids"), sample_keys(fold), 0, 1)[:, 0] for fold in folds]
    # the k-th of a fold's n ids comes at (k + ½)/n, so that any number of videos has the folds' proportions
    places = sorted(
        ((rank + 0.5) / len(fold), fold[place])
        for fold, drawn in zip(folds, draws, strict=True)
        for rank, place in enumerate(drawn.argsort())
    )
    outside = min(math.ceil(prefixes * count - 1e-9), count // 2)
    chosen = [name for _, name in places[: count - outside]]
    cut = dict.fromkeys(name[:-1] for name in chosen if not standard_fold(name[:-1]))
    return chosen + list(cut)[:outside]


def _metadata(sequence: str, spec: CorpusSpec) -> dict[str, Any]:
    return {
        "computational sequence description": f"synthetic {sequence}: drawn by facetory, nobody was recorded",
        "dataset name": DATASET,
        "dataset version": f"synthetic, seed {spec.seed}",
    }
