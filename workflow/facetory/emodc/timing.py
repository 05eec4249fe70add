"""Table IX: training hours, and milliseconds from an aligned face to a decision on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facetory.emodc.inputs import read_backbone, read_text
from facetory.emodc.speed import Classify, diffusion_classifier, discriminative_classifier, speeds
from facetory.emodc.timing_spec import EmoDCTimingSpec
from facetory.faces.views import choose, read_face
from facetory.pipeline.files import FacetoryError, read_json
from facetory.pipeline.provenance import manifest


def time_emodc(
    spec: EmoDCTimingSpec,
    ledger: Path | str,
    text: Path | str,
    backbone: Path | str,
    run: Path | str,
    classifiers: Sequence[Path | str],
    folder: Path | str,
    device: str = "cpu",
) -> None:
    """Time a run (its folder) and classifiers (theirs, in the spec's order): timing.json in ``folder``.

    ``models`` maps the spec's ids to {"training": `training_time`, "speeds": […]}, each of speeds one `speed`
    with its ``steps`` (None for a network); or to {"reason"} where the training failed.  It is to run alone
    on the machine: ``load_average``, before and after, tells whether it did.
    """
    import torch

    from facetory.training.device import device_name

    if len(classifiers) != len(spec.classifiers):
        raise FacetoryError(
            f"--classifier: the spec names {len(spec.classifiers)}, but {len(classifiers)} folders are "
            "given. Give one for each, in the order of the spec."
        )
    torch.set_num_threads(spec.threads)
    folders = dict(zip([spec.train.id, *(c.id for c in spec.classifiers)], [run, *classifiers], strict=True))
    manifests = {name: Path(where) / "manifest.json" for name, where in folders.items()}
    result = Path(folder) / "timing.json"
    result.unlink(missing_ok=True)
    with manifest(
        result, "emodc time", spec.canonical(), ["emodc.timing"], manifests.values(), device
    ) as record:
        before = os.getloadavg()
        chosen = choose(ledger, spec.split)
        most = max([spec.images, *spec.batch_sizes])
        faces = [read_face(chosen.folder, row) for row in chosen.rows[:most]]
        models: dict[str, Any] = {}
        for name, path in manifests.items():
            about = read_json(path)
            if about["status"] != "trained":
                models[name] = {"reason": f"its training failed: {about['reason']}"}
                continue
            ready: dict[int | None, Classify] = (
                _by_steps(spec, run, text, backbone, chosen.classes, device)
                if name == spec.train.id
                else {None: discriminative_classifier(folders[name], device)}
            )
            found = [
                {"steps": steps, **each}
                for steps, classify in ready.items()
                for each in speeds(classify, faces, spec.images, spec.batch_sizes, spec.repeats)
            ]
            models[name] = {"training": training_time(about), "speeds": found}
        record |= {
            "status": "timed",
            "device_name": device_name(device),
            "threads": torch.get_num_threads(),
            "load_average": {"before": before, "after": os.getloadavg()},
            "models": models,
        }


def _by_steps(
    spec: EmoDCTimingSpec,
    run: Path | str,
    text: Path | str,
    backbone: Path | str,
    classes: Sequence[str],
    device: str,
) -> dict[int | None, Classify]:
    """The run as a classifier at each of the spec's numbers of timesteps."""
    import torch

    from facetory.diffusion.backbone import load_vae
    from facetory.emodc.classifier import model

    weights = read_backbone(backbone)
    tokens = torch.from_numpy(read_text(text, list(classes))[: len(classes)]).to(device)
    unet = model(weights.folder, Path(run) / "adapter.safetensors", device)
    vae = load_vae(weights.folder, device)
    return {
        steps: diffusion_classifier(
            unet,
            vae,
            tokens,
            timesteps,
            spec.px,
            weights.prediction_type,
            spec.precision,
            spec.batch_rows,
        )
        for steps, timesteps in spec.timesteps.items()
    }


def training_time(about: dict[str, Any]) -> dict[str, Any] | None:
    """Hours, steps and device of a training, from its manifest; None for weights taken over as they are."""
    if "training" not in about:
        return None
    outcome = about["training"]
    return {
        "hours": outcome["seconds"] / 3600,
        "steps": outcome["steps"],
        "device_name": outcome["device_name"],
    }
