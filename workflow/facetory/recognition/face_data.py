"""Faces to learn a recogniser from, and pairs of people it never sees, on which its epoch is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facetory.faces.face_set import FaceSet, read_face_set
from facetory.metrics.folds import fold_accuracies, squared_distances
from facetory.metrics.verification import eer
from facetory.pipeline.files import FacetoryError, open_tensors
from facetory.pipeline.randomness import generator, permutation
from facetory.recognition.face_model import Describe
from facetory.recognition.face_spec import FaceRecognizerSpec

PAIRS = 6000
"""At most so many genuine pairs, and so many impostor pairs, are compared in a validation."""


class Split(NamedTuple):
    """``training`` positions in a face set, the ``labels`` of each, 0 … identities − 1; ``held_out`` ones.

    ``people`` and ``strangers`` are the identity numbers of both.
    """

    training: np.ndarray
    labels: np.ndarray
    people: np.ndarray
    held_out: np.ndarray
    strangers: np.ndarray


class Pairs(NamedTuple):
    """Positions in a face set that are compared, (n, 2) each: of one identity, and of two."""

    genuine: np.ndarray
    impostor: np.ndarray


def faces_of(spec: FaceRecognizerSpec, faces: Path | str) -> FaceSet:
    """The part of the face set that the spec asks for; faces of another size are a `FacetoryError`."""
    found = read_face_set(faces, spec.identities, spec.images)
    if found.px != spec.px:
        raise FacetoryError(
            f"{faces}: its faces have {found.px} px, the recogniser is asked for with px {spec.px}. "
            "Change one of them."
        )
    return found


def split(faces: FaceSet, share: float, least: int, seed: int) -> Split:
    """Hold a share of the identities out, at least ``least`` of them, drawn from the seed; 0 and 0: none.

    Nobody is on both sides.  Fewer than two identities to learn are a `FacetoryError`.
    """
    count = len(faces.names)
    held = max(least, round(share * count)) if share or least else 0
    if count - held < 2:
        raise FacetoryError(
            f"a face recogniser needs two identities to learn and {held} for validation, the set has {count} "
            "in all. Give it more identities, or lower validation_least."
        )
    order = permutation(count, seed, "face recogniser", "validation identities")
    strangers, people = np.sort(order[:held]), np.sort(order[held:])
    out = np.isin(faces.identity, strangers)
    training = np.flatnonzero(~out)
    labels = np.searchsorted(people, faces.identity[training])
    return Split(training, labels, people, np.flatnonzero(out), strangers)


def pairs(identity: np.ndarray, among: np.ndarray, seed: int, limit: int = PAIRS) -> Pairs:
    """At most ``limit`` pairs of each kind, drawn without replacement.

    identity: (n,) of the whole set; among: the positions that are compared.  No genuine pair, or no impostor
    pair, is a `FacetoryError`.
    """
    draw, own = generator(seed, "face recogniser", "validation pairs"), identity[among]
    blocks = [np.flatnonzero(own == one) for one in np.unique(own)]
    genuine = np.concatenate([block[np.stack(np.triu_indices(len(block), 1), 1)] for block in blocks])
    drawn = np.sort(draw.integers(len(own), size=(8 * limit, 2)), axis=1)
    impostor = np.unique(drawn[own[drawn[:, 0]] != own[drawn[:, 1]]], axis=0)
    if not (len(genuine) and len(impostor)):
        raise FacetoryError(
            "validation needs two held-out identities, one of them with two images. Raise validation_least "
            "or images."
        )
    return Pairs(*(among[draw.permutation(kind)[:limit]] for kind in (genuine, impostor)))


def verified(faces: FaceSet, chosen: Pairs, describe: Describe) -> dict[str, float]:
    """``accuracy`` = 1 − EER of the cosines of the pairs, and the means of both kinds.

    Features of a face and its mirror image are summed, as in the benchmarks' protocol.  Features that are not
    finite are like nobody's, so that a lost network is at chance until its loss ends the training.
    """
    rows, index = np.unique(np.concatenate(chosen), return_inverse=True)
    features = summed(faces.pixels(rows), describe)
    a, b = features[index.reshape(-1, 2)].swapaxes(0, 1)
    cosines = np.nan_to_num((a * b).sum(1), nan=-1.0)
    genuine, impostor = np.split(cosines, [len(chosen.genuine)])
    return {
        "accuracy": 1 - eer(genuine, impostor),
        "genuine": float(genuine.mean()),
        "impostor": float(impostor.mean()),
    }


def examined(benchmarks: Sequence[Path], describe: Describe) -> dict[str, float]:
    """``accuracy``, the mean over benchmarks in some folders, and that of each by its folder's name."""
    found = {}
    for folder in benchmarks:
        with open_tensors(folder / "pairs.safetensors") as handle:
            images, same, fold = (handle.get_tensor(name) for name in ("images", "same", "fold"))
        distance = squared_distances(summed(images, describe))
        found[folder.name] = float(fold_accuracies(distance, same, fold).mean())
    return {"accuracy": float(np.mean(list(found.values()))), **found}


def summed(images: np.ndarray, describe: Describe) -> np.ndarray:
    """Unit vectors (n, d) of raw features of faces and of their mirror images, summed."""
    features = describe(images) + describe(np.ascontiguousarray(images[..., ::-1]))
    return features / np.linalg.norm(features, axis=1, keepdims=True)
