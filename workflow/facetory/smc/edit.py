"""The editing stage: faces of a split in, counterfactuals towards an expression out (SMC, Section 2.5)."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facetory.faces.views import pixels
from facetory.pipeline.files import FacetoryError, read_json, sha256_of, write_tensors
from facetory.pipeline.provenance import manifest
from facetory.recognition.guide import load_guide
from facetory.smc.editing import EditDiverged, Edited, edit_faces
from facetory.smc.parts import Parts, load_parts
from facetory.smc.spec import EditSpec
from facetory.smc.targets import chosen_faces, targets_of
from facetory.smc.timesteps import edit_timesteps
from facetory.training.progress import shown

__all__ = ["Edited", "Parts", "edit_faces", "edit_smc", "load_parts"]


def edit_smc(
    spec: EditSpec,
    diffusion: Path | str,
    classifier: Path | str,
    faces_ledger: Path | str,
    backbone: Path | str,
    folder: Path | str,
    device: str = "cpu",
    decoder: Path | str | None = None,
) -> None:
    """Edit faces of a split: edits.safetensors and manifest.json in ``folder``.

    ``diffusion``, ``classifier`` and ``decoder`` are the folders of the models that the spec names,
    ``backbone`` is the autoencoder's manifest.  The file holds the arrays of `editing.Edited`, ``sources``
    uint8 (n, 3, px, px), ``labels`` (−1: none) and ``targets`` int64 (n,).  Where the training of a model
    failed nothing is edited: the manifest has status "not_run" and the reason; it has status "failed" where
    an edit diverged.  An unknown target or label is a `FacetoryError`.
    """
    folder = Path(folder)
    result, manifest_path = folder / "edits.safetensors", folder / "manifest.json"
    for stale in (result, manifest_path):
        stale.unlink(missing_ok=True)
    if (spec.decoder is None) != (decoder is None):
        raise FacetoryError("--decoder: the spec's `decoder` and the folder go together: give both, or none.")
    models = [Path(model) for model in (diffusion, classifier, decoder) if model]
    trained = {model: read_json(model / "manifest.json") for model in models}
    files = [model / file for model, about in trained.items() for file in about.get("outputs", {})]
    inputs = [faces_ledger, backbone, *files]
    with manifest(
        manifest_path, "smc edit", spec.canonical(), ["smc.edit"], inputs, device, spec.seed
    ) as record:
        for model, about in trained.items():
            if about["status"] != "trained":
                reason = f"{model.name}: its training failed: {about['reason']}"
                record |= {"status": "not_run", "reason": reason}
                return
        torch.set_num_threads(spec.threads)
        parts = load_parts(
            diffusion,
            read_json(backbone)["folder"],
            load_guide(classifier, spec.guide, device),
            (spec.train.beta_start, spec.train.beta_end),
            decoder,
            device,
            spec.batch_rows,
            spec.precision,
        )
        try:
            arrays, about = _edits(spec, faces_ledger, parts)
        except EditDiverged as error:
            record |= {"status": "failed", "reason": str(error)}
            return
        write_tensors(result, arrays, about)
        record |= {"status": "edited", "faces": len(arrays["targets"]), "seconds": about["seconds"]}
        record |= {"outputs": {result.name: sha256_of(result)}}


def _edits(spec: EditSpec, ledger: Path | str, parts: Parts) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the metadata of edits.safetensors."""
    chosen = chosen_faces(ledger, spec.split, spec.images, spec.labels)
    sources = pixels(chosen.folder, chosen.rows, spec.train.px)
    names = [chosen.classes[label] if label >= 0 else None for label in chosen.labels]
    ids, classes = chosen.sample_ids, parts.guide.classes
    targets = targets_of(spec.target, classes, names, ids, spec.seed, spec.id)
    steps = len(ids) * len(edit_timesteps(spec.sampler.inference_steps, spec.sampler.noise_strength))
    with shown(f"editing {spec.dataset} towards {spec.target}", 0, steps) as show:
        found = edit_faces(sources, ids, targets, parts, spec.sampler, spec.seed, spec.snapshots, show)
    arrays = {field.name: getattr(found, field.name) for field in fields(found) if field.name != "about"}
    about = found.about | {
        "sample_ids": ids,
        "persons": chosen.persons,
        "classes": list(chosen.classes),
        "guide_classes": list(classes),
        "spec": spec.model_dump(mode="json"),
    }
    return {"sources": sources, "labels": chosen.labels, "targets": targets} | arrays, about
