"""Placing a backbone: fetch its snapshot from the hub, check its files, and record where it lies."""

from __future__ import annotations

import math
from pathlib import Path

from facetory.diffusion.backbone import check_hashes, check_scaling_factor, prediction_type
from facetory.diffusion.catalogue import by_conversion, part_folder, snapshot_folder
from facetory.pipeline.files import FacetoryError, open_tensors, sha256_of
from facetory.pipeline.provenance import manifest
from facetory.pipeline.spec import BackboneSpec

WEIGHTS = {
    "unet": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
}
FILES: dict[str, tuple[str, ...]] = {
    **{part: ("*.json", file) for part, file in WEIGHTS.items()},
    "tokenizer": ("*.json", "*.txt"),
    "scheduler": ("*.json",),
}


def place(spec: BackboneSpec, data_root: Path | str, path: Path | str) -> None:
    """Write a backbone's manifest: ``folder``, ``parameters`` by part, ``sha256`` by file.

    Weights that are not placed, that differ from the pinned hashes, or whose scheduler or scaling factor
    contradicts the spec are a `FacetoryError`.
    """
    folder = snapshot_folder(spec, Path(data_root))
    if folder is None:
        how = by_conversion(spec) or (
            f"run `facetory backbone fetch {spec.name}` on one with internet access, or copy the snapshot "
            f"folder to {Path(data_root) / 'weights' / spec.name}; licence: {spec.licence}"
        )
        raise FacetoryError(f"backbone {spec.name}: no snapshot of {spec.source} is on this machine: {how}.")
    with manifest(path, "backbone", spec.canonical(), ["diffusion.place"]) as record:
        check_hashes(folder, spec.sha256)
        check_scaling_factor(folder, spec.scaling_factor)
        if "unet" in spec.parts:
            prediction_type(folder, spec.prediction_type)
        found = ((part, part_folder(folder, part)) for part in parts_of(spec) if part in WEIGHTS)
        weights = {part: where / WEIGHTS[part] for part, where in found if where}
        record |= {
            "status": "placed",
            "folder": str(folder.resolve()),
            "parameters": {part: parameter_count(file) for part, file in weights.items()},
            "sha256": {str(file.relative_to(folder)): sha256_of(file) for file in weights.values()},
        }


def parts_of(spec: BackboneSpec) -> list[str]:
    """The subfolders of a snapshot that a backbone is made of."""
    text = ["text_encoder", "tokenizer"] if spec.text_encoder == "clip" else []
    return [*spec.parts, *text, *(["scheduler"] if "unet" in spec.parts else [])]


def parameter_count(weights: Path) -> int:
    """Number of values in a safetensors file, from its header alone."""
    with open_tensors(weights) as handle:
        return sum(math.prod(handle.get_slice(name).get_shape()) for name in handle.keys())  # noqa: SIM118


def fetch(spec: BackboneSpec, data_root: Path | str) -> Path:
    """Download a backbone's snapshot to ``<data_root>/weights/<name>``, from its source or else a mirror.

    Only safetensors weights in full precision are taken.  Without access it is a `FacetoryError` that names
    where the weights lie and where to put them.
    """
    from huggingface_hub import snapshot_download

    if how := by_conversion(spec):
        raise FacetoryError(f"backbone {spec.name}: its authors' weights are no snapshot: {how}.")
    folder = Path(data_root) / "weights" / spec.name
    patterns = [f"{part}/{file}" for part in parts_of(spec) for file in FILES[part]]
    if spec.parts == ("vae",):  # which may lie in the repository's root
        patterns += ["config.json", WEIGHTS["vae"]]
    reasons = []
    for source in (spec.source, *spec.mirrors):
        revision = spec.revision if source == spec.source else None
        try:
            snapshot_download(source, revision=revision, allow_patterns=patterns, local_dir=folder)
        except Exception as error:  # the hub's client raises errors of several libraries
            reasons.append(f"{source}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
            continue
        check_hashes(folder, spec.sha256)
        return folder
    raise FacetoryError(
        f"backbone {spec.name}: cannot be fetched ({'; '.join(reasons)}). Download the snapshot of "
        f"{' or '.join((spec.source, *spec.mirrors))} elsewhere and copy it to {folder}."
    )
