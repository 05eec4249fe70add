"""Verification on one's own faces: pairs of any folder with a folder per identity."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facetory.faces.face_set import read_folder
from facetory.faces.pairs import draw_pairs
from facetory.faces.spec import Alignment
from facetory.metrics.folds import accuracy, squared_distances
from facetory.recognition.templates import distinct_features
from facetory.recognition.verify import Verified, recogniser


def verify_folder(
    model: Path | str,
    folder: Path | str,
    pairs: int = 6000,
    folds: int = 10,
    px: int = 112,
    alignment: Alignment = "mtcnn",
    seed: int = 0,
    device: str = "cpu",
    data_root: Path | str = "data",
    batch_size: int = 128,
) -> Verified:
    """Verify on pairs drawn from a folder (`faces.pairs`), with nobody in two folds; people are resampled.

    ``model`` is the folder of a recogniser or an embedder's name.  A face that the detector or the embedder
    does not find is no match.
    """
    shown = read_folder(folder, px, alignment)
    drawn = draw_pairs(shown.identity, shown.image, pairs, folds, seed)
    rows = np.stack([drawn.first, drawn.second], axis=1).reshape(-1)
    describe = recogniser(model, device, data_root)
    features = distinct_features(describe, lambda at: shown.pixels(rows[at]), rows, batch_size)
    distance = squared_distances(features)
    people = [(shown.names[a], shown.names[b]) for a, b in shown.identity[rows].reshape(-1, 2).tolist()]
    found = accuracy(distance, drawn.same, drawn.fold, people, seed)
    return Verified(Path(folder).name, len(drawn.same), found, distance)
