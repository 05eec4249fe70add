"""Synthetic identities: a pool of points on the sphere of contexts, with the negative partners of each."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facetory.adaptdiff.negatives import partners, random_partners
from facetory.adaptdiff.spec import IdentitiesSpec, Negative
from facetory.pipeline.files import FacetoryError, open_tensors, read_json, sha256_of, write_tensors
from facetory.pipeline.provenance import manifest
from facetory.pipeline.randomness import normal, stream_key


class Pool(NamedTuple):
    """contexts: (N, d) unit float32; partners: of "far", "mid", "close" and "random" int64 (N,) each."""

    contexts: np.ndarray
    partners: dict[str, np.ndarray]

    def negatives(self, negative: Negative) -> np.ndarray:
        """The negative context of each identity, (N, d); "null" is the zero vector."""
        if negative == "null":
            return np.zeros_like(self.contexts)
        return self.contexts[self.partners[negative]]


def sphere(count: int, size: int, seed: int) -> np.ndarray:
    """Points uniform on the unit sphere, float32 (count, size): normalised normals (IDiff-Face, Section 4).

    Point i is a function of (seed, i): a longer pool begins with the shorter one.
    """
    points = normal(stream_key(seed, "adaptdiff identities"), np.arange(count, dtype=np.int64), 0, size)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def draw_identities(spec: IdentitiesSpec, folder: Path | str) -> None:
    """Write identities.safetensors and manifest.json: the pool, its partners, and the sha256 of its contexts.

    Whoever samples a part of the pool reads the partners that were chosen among all of it.
    """
    folder = Path(folder)
    result = folder / "identities.safetensors"
    made_by = ("adaptdiff identities", spec.canonical(), ["adaptdiff.identities"])
    with manifest(folder / "manifest.json", *made_by, seed=spec.seed) as record:
        contexts = sphere(spec.count, spec.size, spec.seed)
        chosen = partners(contexts) | {"random": random_partners(spec.count, spec.seed)}
        write_tensors(result, {"contexts": contexts, **chosen}, {"spec": spec.model_dump(mode="json")})
        record |= {
            "status": "drawn",
            "identities": spec.count,
            "pool_sha256": _pool_hash(contexts),
            "outputs": {result.name: sha256_of(result)},
        }


def read_pool(path: Path | str) -> Pool:
    """The pool of an identities.safetensors; others than its manifest's are a `FacetoryError`."""
    path = Path(path)
    pool = open_pool(path)
    if _pool_hash(pool.contexts) != read_json(path.with_name("manifest.json"))["pool_sha256"]:
        raise FacetoryError(
            f"{path}: the pool is not the one of its manifest. Delete {path.parent} and run its target again."
        )
    return pool


def open_pool(path: Path | str) -> Pool:
    """The pool of an identities.safetensors that was checked already."""
    with open_tensors(path) as handle:
        return Pool(
            handle.get_tensor("contexts"),
            {name: handle.get_tensor(name) for name in ("far", "mid", "close", "random")},
        )


def _pool_hash(contexts: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(contexts).tobytes()).hexdigest()
