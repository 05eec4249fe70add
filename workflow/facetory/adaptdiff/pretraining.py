"""What the parts of the demo's pretraining share: settings, places, people, and the call of the loop."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from facetory.pipeline import randomness
from facetory.pipeline.files import FacetoryError, sha256_of
from facetory.training.loop import Schedule, train

if TYPE_CHECKING:
    from torch import Tensor

    from facetory.diffusion.pack import Packed
    from facetory.training.loop import Task

EMBEDDERS = ("context", "judge")
"""The network that embeds the generator's contexts, and the one that judges what it draws."""

PARTS = (*EMBEDDERS, "generator")
AUTOENCODER = "vae/diffusion_pytorch_model.safetensors"


@dataclass(frozen=True)
class Pretraining:
    """How the demo's models are pretrained; a part with 0 steps keeps what lies in the folder.

    ``context`` and ``judge`` are networks of the same kind that share no people and should share no seed: of
    those that are not held out one has every other, the other the rest.  ``embedding`` is their size,
    ``margin`` and ``scale`` are CosFace's.  ``architecture`` is the generator's (adaptdiff/architectures.py).
    """

    context: Schedule
    judge: Schedule
    generator: Schedule
    embedding: int = 24
    margin: float = 0.3
    scale: float = 16.0
    dropout: float = 0.2
    architecture: str = "demo_idiff"
    context_dropout: float = 0.25


@dataclass(frozen=True)
class Place:
    """Where pretraining reads, writes and computes; ``first_stage`` is the snapshot with the autoencoder."""

    packed: Path
    first_stage: Path
    folder: Path
    checkpoints: Path
    device: str = "cpu"


def run(
    task: Task, schedule: Schedule, place: Place, part: str, settings: Pretraining, *models: Path
) -> dict[str, Any]:
    """Train a part by the training loop; its log and checkpoints lie in ``place.checkpoints``.

    Checkpoints are bound to the part's settings, the packed data and the files of the ``models`` it uses.
    """
    others = {name for name in PARTS if name != part}
    own = {name: value for name, value in asdict(settings).items() if name not in others}
    said = [part, own, *(sha256_of(file) for file in (place.packed, *models))]
    key = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]
    log, checkpoints = place.checkpoints / f"{part}-log", place.checkpoints / part
    record = train(task, schedule, log, checkpoints, key=key, name=part, device=place.device)
    return {"batch_size": schedule.batch_size} | record


def people_of(sample_ids: list[str]) -> list[str]:
    """Who each sample shows: the part of its id before the last underscore."""
    names = [name.rpartition("_")[0] for name in sample_ids]
    if "" in names:
        raise FacetoryError(
            f"{sample_ids[names.index('')]}: this sample id names no person. Pack renders whose ids are "
            "<person>_<number>, as those of anny_pretrain."
        )
    return names


def divided(person: np.ndarray, held_out: np.ndarray, turn: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of a network's own people, of the other network's, and of the held-out ones.

    ``turn`` 0 or 1: of the people (n,) that are not held out, every second one from there on.
    """
    mine = np.isin(person, np.unique(person[~held_out])[turn::2])
    own, others, held = (np.flatnonzero(rows) for rows in (mine, ~mine & ~held_out, held_out))
    return own, others, held


def on_device(data: Packed, device: str) -> tuple[Tensor, Tensor]:
    """Images uint8 (n, 3, px, px) and sample keys int64 (n,)."""
    keys = torch.from_numpy(randomness.sample_keys(data.sample_ids))
    return torch.from_numpy(data.images).to(device), keys.to(device)


def rounded(values: dict[str, float]) -> dict[str, float | None]:
    """Numbers for a manifest; NaN, which JSON lacks, is None."""
    return {name: round(value, 5) if np.isfinite(value) else None for name, value in values.items()}
