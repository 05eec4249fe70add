"""What the generator learns from: latents of faces, joined to their contexts by sample id."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from facetory.diffusion.denoising import VALIDATED, Latents
from facetory.diffusion.latents import require_mirror_images
from facetory.metrics.bootstrap import clusters
from facetory.pipeline.files import FacetoryError, open_tensors, read_metadata
from facetory.pipeline.randomness import permutation, sample_keys

HELD_OUT_SHARE = 0.02


class Learnt(NamedTuple):
    """n faces: latents, and contexts (n, 2, d) with those of the mirror images on axis 1.

    ``people`` names the person of each, or the sample itself where nobody is known; ``left_out`` counts the
    faces that the contexts' file says were left out of it.
    """

    latents: Latents
    contexts: Tensor
    people: list[str]
    left_out: int


def read_learnt(latents: Path | str, contexts: Path | str, device: str = "cpu") -> Learnt:
    """The faces of a latents file that have a context, in the file's order, on the device.

    Faces in which no face was found, which the metadata of ``contexts`` list as ``left_out``, are passed
    over.  Any other face without a context is a `FacetoryError` that names it.
    """
    about, told = read_metadata(latents), read_metadata(contexts)
    row_of = {name: row for row, name in enumerate(told["sample_ids"])}
    passed_over = set(told.get("left_out", ()))
    kept = [row for row, name in enumerate(about["sample_ids"]) if name not in passed_over]
    names = [about["sample_ids"][row] for row in kept]
    if lacking := [name for name in names if name not in row_of]:
        raise FacetoryError(
            f"{contexts}: no context for {lacking[0]} of {latents} ({len(lacking)} of {len(names)} lack "
            "one). Embed the same split of the same dataset that was encoded."
        )
    with open_tensors(latents, "pt") as handle:
        mean, logvar = (handle.get_tensor(name)[kept].to(device) for name in ("mean", "logvar"))
    require_mirror_images(mean, latents)
    with open_tensors(contexts, "pt") as handle:
        vectors = handle.get_tensor("contexts")[[row_of[name] for name in names]].to(device)
    keys = torch.from_numpy(sample_keys([f"{about['dataset']}/{name}" for name in names])).to(device)
    people = clusters([about["persons"][row] for row in kept], names)
    left_out = len(about["sample_ids"]) - len(kept)
    return Learnt(Latents(mean, logvar, keys, about["scaling_factor"]), vectors, people, left_out)


def held_out(people: list[str], seed: int) -> np.ndarray:
    """Which rows are kept for validation, bool (n,): whole people, a fiftieth of the rows but 256 at most.

    People are taken in a random order as long as they fit; if none does, the one with the fewest rows.  Of
    faces of one person alone none is held out.
    """
    names, of_row, counts = np.unique(people, return_inverse=True, return_counts=True)
    if len(names) < 2:
        return np.zeros(len(people), dtype=bool)
    room = min(VALIDATED, max(1, round(HELD_OUT_SHARE * len(people))))
    chosen = []
    for person in permutation(len(names), seed, "adaptdiff", "held out"):
        if counts[person] <= room:
            chosen.append(person)
            room -= counts[person]
    return np.isin(of_row, chosen or [counts.argmin()])


def strangers(people: list[str], rows: np.ndarray, seed: int) -> np.ndarray:
    """For each of some rows the row of a random face of another person, int64 of their shape."""
    order = permutation(len(people), seed, "adaptdiff", "strangers")
    return np.array([next(o for o in order if people[o] != people[row]) for row in rows], dtype=np.int64)
