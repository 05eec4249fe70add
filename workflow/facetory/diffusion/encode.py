"""Caching latents: the faces of one split, and their mirror images, through the autoencoder once."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from facetory.data.index import read_csv
from facetory.data.labels import family_of
from facetory.diffusion.pixels import resized
from facetory.pipeline.files import FacetoryError, read_json, write_tensors

COLUMNS = ("sample_id", "split", "label", "person", "sha256")
PRECISIONS = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def encode(
    ledger: Path | str,
    backbone: Path | str,
    split: str,
    px: int,
    output: Path | str,
    corruption: str = "clean",
    device: str = "cpu",
    precision: str = "fp32",
    batch_size: int = 16,
    threads: int = 0,
) -> None:
    """Encode the aligned faces of a split (by their ledger.csv) and write the latents file.

    ``mean`` and ``logvar`` float16 (n, 2, C, h, w): axis 1 holds the face and its mirror image, each encoded
    itself; ``labels`` int64 (n,) index the classes.  Faces are resized to (px, px) by PIL's Lanczos filter.
    ``backbone`` is its manifest.  ``precision`` "bf16" or "fp16" speeds a GPU up and costs digits.  A face
    that differs from its ledger's sha256 is a `FacetoryError` that names the file.
    """
    import torch

    from facetory.diffusion.backbone import load_vae
    from facetory.diffusion.latents import both_flips
    from facetory.training.progress import shown

    if threads:
        torch.set_num_threads(threads)
    ledger, about = Path(ledger), read_json(backbone)
    everyone = [row for _, row in read_csv(ledger, COLUMNS)]
    rows = [row for row in everyone if row["split"] == split]
    if not rows:
        raise FacetoryError(f"{ledger}: no face is in split {split!r}. Give the dataset that split.")
    classes = family_of((row["label"] for row in everyone), str(ledger))
    vae = load_vae(about["folder"], device, getattr(torch, PRECISIONS[precision]))
    means, logvars = [], []
    with shown(f"encoding {ledger.parent.name} {split}", 0, len(rows)) as show:
        for first in range(0, len(rows), batch_size):
            faces = (read_face(ledger.parent, row) for row in rows[first : first + batch_size])
            with torch.no_grad():
                mean, logvar = both_flips(vae, torch.from_numpy(as_batch(faces, px)))
            means.append(mean.half().cpu())
            logvars.append(logvar.half().cpu())
            show(min(first + batch_size, len(rows)), {})
    tensors = {
        "mean": torch.cat(means),
        "logvar": torch.cat(logvars),
        "labels": torch.tensor([classes.index(row["label"]) for row in rows]),
    }
    if not all(bool(torch.isfinite(tensors[name]).all()) for name in ("mean", "logvar")):
        raise FacetoryError(
            f"{output}: the autoencoder overflows in {precision}. Encode with precision fp32."
        )
    metadata = {
        "sample_ids": [row["sample_id"] for row in rows],
        "persons": [row["person"] for row in rows],
        "classes": list(classes),
        "scaling_factor": vae.config.scaling_factor,
        "encoder": about["spec"]["name"],
        "dataset": ledger.parent.name,
        "px": px,
        "corruption": corruption,
    }
    write_tensors(output, tensors, metadata)


def read_face(folder: Path, row: dict[str, str]) -> np.ndarray:
    """An aligned face, RGB uint8 (height, width, 3), whose file is whole by its ledger's sha256."""
    from PIL import Image

    path = folder / "images" / f"{row['sample_id']}.png"
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise FacetoryError(f"{path}: the aligned face is missing. Align {folder.name} again.") from error
    if hashlib.sha256(content).hexdigest() != row["sha256"]:
        raise FacetoryError(
            f"{path}: the file is truncated or changed: its sha256 is not that of ledger.csv. Align "
            f"{folder.name} again."
        )
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def as_batch(faces: Iterable[np.ndarray], px: int) -> np.ndarray:
    """Faces of any size as one uint8 batch (n, 3, px, px)."""
    return np.stack([resized(face, px) for face in faces]).transpose(0, 3, 1, 2)
