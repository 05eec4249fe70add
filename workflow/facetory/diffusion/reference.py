"""The backbone that a model stands on: named in its model.json, found again, and checked by hash."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from facetory.diffusion.catalogue import backbones, part_folder, snapshot_folder
from facetory.pipeline.files import FacetoryError, sha256_of
from facetory.pipeline.model_folder import Part, check

WEIGHTS = "diffusion_pytorch_model.safetensors"


class Reference(Part):
    """A name of backbones.yaml, or a snapshot's folder relative to the model's; sha256 by file in it."""

    name: str
    source: str
    revision: str | None = None
    folder: str | None = None
    sha256: dict[str, str]
    licence: str


def locate(about: Reference, home: Path, data_root: Path | str = "data") -> Path:
    """The snapshot that the model in ``home`` refers to.

    One that is not placed, or whose weights are others than those recorded, is a `FacetoryError`.
    """
    if about.folder is not None:
        folder: Path | None = (home / about.folder).resolve()
        remedy = f"Put the backbone that {home} was trained on there again."
    else:
        spec = backbones().get(about.name)
        folder = snapshot_folder(spec, Path(data_root)) if spec else None
        remedy = (
            f"Place the weights that {home} was trained on ({about.source}"
            f"{f', revision {about.revision}' if about.revision else ''}), or train and export it again."
        )
    if folder is None or not folder.is_dir():
        raise FacetoryError(
            f"{home}: its backbone {about.name} is not placed. Run `facetory backbone fetch "
            f"{about.name}` (licence: {about.licence}), or copy the snapshot folder of {about.source} to "
            f"{Path(data_root) / 'weights' / about.name}."
        )
    for name, sha256 in about.sha256.items():
        check(folder / name, sha256, remedy)
    return folder


def weights_of(folder: Path, parts: Iterable[str] = ("unet", "vae")) -> dict[str, str]:
    """sha256 of the weights of a snapshot's parts, by their path in it."""
    files = [(part_folder(folder, part) or folder / part) / WEIGHTS for part in parts]
    return {str(file.relative_to(folder)): sha256_of(file) for file in files}
