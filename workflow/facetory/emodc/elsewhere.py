"""Cells that are measured from other files than evaluation records: timings and generated faces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from facetory.emodc.generate_spec import EmoDCGenerateSpec
from facetory.emodc.planning import RACED, TIMED
from facetory.metrics.bootstrap import Estimate, mean_estimate
from facetory.pipeline.files import read_json
from facetory.pipeline.registry import PlannedCell
from facetory.report.cells import differences
from facetory.report.measured import Measured

ELSEWHERE = (*TIMED, *RACED, "class_distance")
"""How the metrics of such cells begin."""
PAPERS_DEVICE = "NVIDIA GeForce RTX 4090"
NAN = float("nan")


def elsewhere(cell: PlannedCell, root: Path | str) -> Measured | str:
    """A cell from the file that it names below a scale's results folder, or why it cannot be measured."""
    path = Path(root) / cell.inputs[0]
    if cell.metric == "class_distance":
        return _drawn(cell, path)
    return _raced(cell, path) if " " in cell.metric else _timed(cell, path)


def _raced(cell: PlannedCell, path: Path) -> Measured | str:
    """Agreement, accuracy or cost of a race, or of the grids beside it, as fractions (table `racing`)."""
    record = read_json(path)
    if record["status"] != "raced":
        return str(record["reason"])
    content = read_json(path.with_name("race.json"))
    who, _, what = cell.metric.partition(" ")
    low, high = content[who].get(f"{what}_interval", (NAN, NAN))
    budget = {
        "timesteps": content["timesteps"],
        "target_agreement": content["target_agreement"],
        "people": content["people"],
    }
    return Measured(Estimate(content[who][what], low, high, content["samples"]), budget, [])


def _timed(cell: PlannedCell, path: Path) -> Measured | str:
    """Training hours, or one face at a time: ms a face and frames a second (Table IX)."""
    record = read_json(path)
    model = record["models"][cell.runs[0]]
    if "reason" in model:
        return str(model["reason"])
    if cell.metric == "training_hours":
        training = model["training"]
        if training is None:
            return "its weights are its authors'; it was not trained here"
        budget = {"device": training["device_name"], "training_steps": training["steps"]}
        estimate = Estimate(training["hours"], NAN, NAN, 1)
    else:
        speed = next(s for s in model["speeds"] if s["steps"] == cell.steps and s["batch_size"] == 1)
        value, low, high = (speed[cell.metric + end] for end in ("", "_low", "_high"))
        estimate = Estimate(value, low, high, speed["images"])
        budget = {"device": record["device_name"], "batch_size": 1, "threads": record["threads"]}
    return Measured(estimate, budget, differences(budget, {"device": PAPERS_DEVICE}))


def _drawn(cell: PlannedCell, path: Path) -> Measured | str:
    """How far faces of a class are from those of all classes that start from the same noise (Fig. 7)."""
    from facetory.emodc.generate import read_generated
    from facetory.emodc.generation_figure import measures

    record = read_json(path)
    if record["status"] != "generated":
        return str(record["reason"])
    drawn = read_generated(path.with_name("images.safetensors"))
    rows = [row for row in measures(*drawn[:1], drawn.classes, drawn.scales) if _scale(row) == cell.row]
    distances = np.array([row["from_other_classes"] for row in rows])
    estimate = mean_estimate(distances, [str(row["image"]) for row in rows])
    steps = EmoDCGenerateSpec.model_validate(record["spec"]).steps
    budget = {"sampler_timesteps": steps, "images_per_class": drawn.images.shape[2]}
    return Measured(estimate, budget, [])


def _scale(row: dict[str, Any]) -> str:
    return f"cfg = {row['guidance_scale']:g}"
