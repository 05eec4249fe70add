"""The backbones by name, and whether their weights are placed (free of torch: Snakemake parses it)."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from facetory.pipeline.config import WORKFLOW, load_yaml
from facetory.pipeline.files import read_json
from facetory.pipeline.spec import BackboneSpec
from facetory.pipeline.suggest import unknown, validated

CATALOGUE = Path(__file__).with_name("backbones.yaml")
AUTOENCODERS = ("AutoencoderKL", "VQModel")


@cache
def backbones() -> dict[str, BackboneSpec]:
    """Every backbone of backbones.yaml."""
    content = load_yaml(CATALOGUE)
    return {
        name: validated(BackboneSpec, {"name": name, **entry}, CATALOGUE.name)
        for name, entry in content.items()
    }


def backbone(name: str) -> BackboneSpec:
    """The named backbone; an unknown name is a `FacetoryError` with its nearest neighbour."""
    if name not in backbones():
        raise unknown("backbone", name, backbones(), CATALOGUE.name)
    return backbones()[name]


def snapshot_folder(spec: BackboneSpec, data_root: Path) -> Path | None:
    """The folder that holds a backbone's weights, all of its parts, or None.

    Looked for in this order: the project (released weights), ``<data_root>/weights/<name>``, the hub's cache
    (the pinned revision of the source or of a mirror).
    """
    hub = Path(
        os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME", "~/.cache/huggingface")) / "hub"
    )
    candidates = [WORKFLOW.parent / spec.source, data_root / "weights" / spec.name]
    for source in (spec.source, *spec.mirrors):
        cached = hub.expanduser() / f"models--{source.replace('/', '--')}" / "snapshots"
        candidates += [cached / spec.revision] if spec.revision else sorted(cached.glob("*"))
    whole = (folder for folder in candidates if all(part_folder(folder, part) for part in spec.parts))
    return next(whole, None)


def part_folder(folder: Path, part: str) -> Path | None:
    """Where a part of a snapshot lies: in the subfolder of its name, or None.

    An autoencoder alone may lie in the folder itself, as in stabilityai/sd-vae-ft-ema.
    """
    if (folder / part / "config.json").is_file():
        return folder / part
    alone = folder / "config.json"
    if part == "vae" and alone.is_file() and read_json(alone).get("_class_name") in AUTOENCODERS:
        return folder
    return None


def missing(name: str, data_root: Path) -> str | None:
    """Why a backbone cannot be used, or None when its weights are placed."""
    spec = backbone(name)
    if snapshot_folder(spec, data_root):
        return None
    return f"backbone {name} not placed: " + (
        by_conversion(spec)
        or f"run `facetory backbone fetch {name}` ({spec.source}, {spec.licence}), "
        f"or copy its snapshot folder to {data_root / 'weights' / name}"
    )


def by_conversion(spec: BackboneSpec) -> str | None:
    """How to place weights whose source is their authors' archive; None where it is a hub's snapshot."""
    if not spec.source.startswith("https://"):
        return None
    return (
        f"download {spec.source} (licence: {spec.licence}), unpack it and run `facetory backbone convert "
        f"{spec.name} model.ckpt`"
    )
