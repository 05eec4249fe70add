"""What measured faces or recognisers had, and what the paper's: differences forbid a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facetory.adaptdiff.spec import SeparabilitySpec, SynthesisSpec
from facetory.recognition.face_spec import FaceRecognizerSpec

PAPERS: dict[str, Any] = {
    "architecture": "idiff_face",
    "first stage": "vq-f4",
    "identities": 10_000,
    "images per identity": 50,
    "alignment": "mtcnn",
    "network": "iresnet50",
    "px": 112,
    "batch size": 512,
    "judge": "elasticface_cos",
    "compared identities": 1000,
    "compared images": 20,
    "sampling steps": None,
    "benchmarks that choose the epoch": 5,
}
"""As in `budget_of` (supplementary material, "Experimental Setup"; first stage, alignment and what chooses
the epoch: released code); the sampling steps are a table's own."""
MADE = ("identities", "images per identity")
"""Scores are of the first so many of them."""
AUTHENTIC = ("network", "px", "batch size", "judge")
"""What is comparable of authentic faces."""


def budget_of(manifests: Mapping[Path, dict[str, Any]]) -> dict[str, Any]:
    """What a cell had, from the manifests that it read: faces, recogniser, judge, of the first seed."""
    found: dict[str, Any] = {}
    for path, manifest in manifests.items():
        found = READERS.get(path.parent.parent.name, _nothing)(manifest) | found
    return found


def differences_apart(
    budget: dict[str, Any], synthetic: bool, steps: int | None, grid: int | None
) -> list[str]:
    """What the cell had otherwise than the paper; of scores, the faces compared count, not those made."""
    stated = {**PAPERS, "sampling steps": steps}
    had = {**budget, **({"sampling steps": grid} if grid else {})}
    if "compared identities" in had:
        had = {key: value for key, value in had.items() if key not in MADE}
    compared = PAPERS if synthetic else AUTHENTIC
    return [
        f"{key} {had[key]} (paper: {stated[key]})"
        for key in compared
        if key in had and stated[key] is not None and had[key] != stated[key]
    ]


def _of_synthesis(manifest: dict[str, Any]) -> dict[str, Any]:
    spec = SynthesisSpec.model_validate(manifest["spec"])
    generator = spec.generator
    trained = {"weights": "the authors'"} if generator.weights else {"training steps": generator.steps}
    started = {"started from": generator.initial} if generator.initial else {}
    return {
        "architecture": generator.architecture,
        "first stage": generator.backbone,
        **trained,
        **started,
        "identities": spec.identities,
        "images per identity": spec.images,
        "alignment": spec.alignment,
        "px": spec.px,
    }


def _of_recogniser(manifest: dict[str, Any]) -> dict[str, Any]:
    spec = FaceRecognizerSpec.model_validate(manifest["spec"])
    chosen = {"benchmarks that choose the epoch": len(spec.benchmarks)} if spec.selection == "test" else {}
    return {
        "network": spec.network,
        "px": spec.px,
        "batch size": spec.batch_size,
        "epochs": manifest["training"]["epochs"],
        "identities learnt from": manifest["data"]["identities"],
        **chosen,
    }


def _of_separability(manifest: dict[str, Any]) -> dict[str, Any]:
    spec = SeparabilitySpec.model_validate(manifest["spec"])
    return {
        "judge": spec.judge,
        "compared identities": manifest["identities"],
        "compared images": spec.images,
    }


def _nothing(manifest: dict[str, Any]) -> dict[str, Any]:
    return {}


READERS = {
    "syntheses": _of_synthesis,
    "face_recognizers": _of_recogniser,
    "separations": _of_separability,
}
