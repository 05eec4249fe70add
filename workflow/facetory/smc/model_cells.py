"""Cells about the models themselves: training loss, samples from noise, reconstruction, parameters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facetory.metrics.bootstrap import Estimate, mean_estimate
from facetory.pipeline.registry import PlannedCell
from facetory.report.cells import differences
from facetory.report.measured import Measured
from facetory.smc.estimates import NAN, groups_of, mean, stored
from facetory.smc.protocol import PAPERS_MODEL


def last_loss(manifests: Sequence[dict[str, Any]]) -> Measured:
    """The mean noise-prediction error at the end of training; it has no interval over faces."""
    losses = [manifest["training"]["last"]["loss"] for manifest in manifests]
    budget = {
        "training_steps": manifests[0]["training"]["steps"],
        "epochs": round(manifests[0]["epochs"], 1),
        "device": manifests[0]["training"]["device_name"],
    }
    return Measured(Estimate(float(np.mean(losses)), NAN, NAN, len(losses)), budget, [])


def samples_realism(paths: Sequence[Path]) -> Measured:
    """The fraction of drawn pictures in which MTCNN finds a face."""
    drawn = [stored(path.with_name("images.safetensors")) for path in paths]
    found = np.concatenate([d.arrays["realism"] for d in drawn]) > 0
    spec = drawn[0].about["spec"]
    groups = [f"sample {i}" for i in range(len(found))]
    return Measured(
        mean_estimate(found.astype(float), groups), {"inference_steps": spec["inference_steps"]}, []
    )


def reconstruction(name: str, variant: str, paths: Sequence[Path]) -> Measured:
    """The autoencoder's error over all faces, or over those with or without an attribute."""
    records = stored(paths[0].with_name("records.safetensors"))
    values = records.arrays["psnr" if name == "psnr" else "distance"]
    kept = np.ones(len(values), bool)
    if variant:
        shown, _, attribute = variant.partition(" ")
        names = records.about["attributes"]
        if attribute not in names:
            return Measured(Estimate(NAN, NAN, NAN, 0), {}, [])
        kept = records.arrays["attributes"][:, names.index(attribute)] == (shown == "with")
    budget = {key: records.about["spec"][key] for key in ("backbone", "px")}
    return Measured(mean(values, groups_of([records]), kept), budget, [])


def parameters(cell: PlannedCell) -> Measured:
    """Millions of parameters of the UNet that the scale names."""
    from facetory.diffusion.unconditional import parameters_of

    estimate = Estimate(parameters_of(cell.budget["architecture"]) / 1e6, NAN, NAN, 1)
    return Measured(estimate, cell.budget, differences(cell.budget, PAPERS_MODEL))
