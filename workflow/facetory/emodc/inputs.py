"""What EmoDC's stages read: cached latents, text embeddings, and where the backbone lies."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from facetory.diffusion.latents import require_mirror_images
from facetory.pipeline.files import FacetoryError, open_tensors, read_json, read_metadata
from facetory.pipeline.spec import BackboneSpec


class Latents(NamedTuple):
    """One split's cached latents: posterior mean and log-variance, float16 (n, V, C, h, w).

    Axis 1 holds the image and, of clean ones, its mirror image; labels (n,) int64 index ``classes``.
    """

    mean: np.ndarray
    logvar: np.ndarray
    labels: np.ndarray
    sample_ids: list[str]
    persons: list[str]
    classes: list[str]
    scaling_factor: float
    dataset: str


def read_latents(path: Path | str, training: bool = False) -> Latents:
    """Read a latents file; a missing or truncated one is a `FacetoryError`.

    So is, for ``training``, one without the mirror images.
    """
    about = read_metadata(path)
    with open_tensors(path) as handle:
        tensors = [handle.get_tensor(name) for name in ("mean", "logvar", "labels")]
    if training:
        require_mirror_images(tensors[0], path)
    keys = ("sample_ids", "persons", "classes", "scaling_factor", "dataset")
    return Latents(*tensors, *(about[key] for key in keys))


def read_text(path: Path | str, classes: list[str]) -> np.ndarray:
    """Prompt tokens (K + 2, L, D) float32: the classes, the non-class and the null prompt.

    Text made for other classes, or in another order, is a `FacetoryError`.
    """
    about = read_metadata(path)
    if about["classes"] != classes:
        raise FacetoryError(
            f"{path}: holds prompts for {', '.join(about['classes'])}, but the latents' classes are "
            f"{', '.join(classes)}. Use the text file of the same dataset."
        )
    with open_tensors(path) as handle:
        return handle.get_tensor("tokens")


class Backbone(NamedTuple):
    """Where a backbone's snapshot lies, and what its UNet predicts: "epsilon" or "v_prediction"."""

    folder: Path
    prediction_type: str


def read_backbone(path: Path | str) -> Backbone:
    """A backbone by its manifest, or by its folder in diffusers' layout (whose scheduler/ tells the rest)."""
    from facetory.diffusion.backbone import prediction_type

    path = Path(path)
    if path.is_dir():
        config = read_json(path / "scheduler" / "scheduler_config.json")
        return Backbone(path, config.get("prediction_type", "epsilon"))
    about = read_json(path)
    folder, spec = Path(about["folder"]), BackboneSpec.model_validate(about["spec"])
    return Backbone(folder, prediction_type(folder, spec.prediction_type))


def unet_files(backbone: Backbone) -> list[Path]:
    """The files that make the UNet, for hashing: its configuration and its weights."""
    return sorted(path for path in (backbone.folder / "unet").iterdir() if path.is_file())
