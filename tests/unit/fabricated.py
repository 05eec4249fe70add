"""Evaluations made of random numbers, in the files that the evaluation stage leaves behind."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import numpy as np
from facetory.data.labels import CLASSES
from facetory.emodc.registry import study
from facetory.emodc.spec import EmoDCEvalSpec, EmoDCTrainSpec
from facetory.metrics.records import Records, write_records
from facetory.pipeline.config import load_settings
from facetory.pipeline.files import sha256_of, write_json
from facetory.pipeline.registry import Plan, PlannedCell, Study
from facetory.report.cells import Cell, CellTable


def evaluation(root: Path, name: str, records: Records) -> None:
    """Write records and the manifest that vouches for them into a results folder."""
    folder = root / "evaluations" / name
    write_records(folder / "clean.safetensors", records)
    outputs = {"clean.safetensors": sha256_of(folder / "clean.safetensors")}
    write_json(folder / "manifest.json", {"status": "evaluated", "outputs": outputs})


def failed(root: Path, name: str, reason: str) -> None:
    """Write the manifest of an evaluation that was not run."""
    write_json(root / "evaluations" / name / "manifest.json", {"status": "not_run", "reason": reason})


def decided(decisions, labels, spec: EmoDCEvalSpec, persons=None, classes=("happiness", "sadness", "anger")):
    """Records whose class at each timestep is the given one: decisions (n, T), labels (n,)."""
    decisions, labels = np.asarray(decisions), np.asarray(labels)
    errors = 1.0 - np.eye(len(classes))[decisions]
    ids = [f"s{i}" for i in range(len(labels))]
    return Records(
        errors.astype(np.float32),
        np.array(spec.timesteps, dtype=np.int64),
        labels.astype(np.int64),
        ids,
        [""] * len(labels) if persons is None else list(persons),
        list(classes),
        "",
        spec.dataset,
        spec.model_dump(mode="json"),
    )


def paper_evaluation(timesteps, seed=0, **training) -> EmoDCEvalSpec:
    """AMDiT on RAF-DB B as the paper trains it, but for what ``training`` changes."""
    asked = {"steps": 30_000, "px": 256, "backbone": "sd21-base", "seed": seed} | training
    train = EmoDCTrainSpec(dataset="rafdb_basic", loss="amdit", **asked)
    return EmoDCEvalSpec(
        train=train,
        backbone=train.backbone,
        dataset="rafdb_basic",
        split="test",
        px=train.px,
        timesteps=timesteps,
    )


def planned(column: str, timesteps, evaluations, **changes) -> PlannedCell:
    """A cell of a one-row table on RAF-DB B itself."""
    about = {
        "row": "AMDiT",
        "slot": "rafdb_basic",
        "slot_title": "RAF-DB B",
        "dataset": "rafdb_basic",
        "split": "test",
        "steps": len(timesteps),
        "grid": len(timesteps),
        "seeds": tuple(range(len(evaluations))),
        "runs": tuple(f"run-of-{e}" for e in evaluations),
    }
    return PlannedCell(
        id=f"emodc_tableX/AMDiT/{column}",
        column=column,
        timesteps=tuple(timesteps),
        evaluations=tuple(evaluations),
        **(about | changes),
    )


def cells_of(rows, columns, reason: str | None = None) -> CellTable:
    """A figure's cells, without values: new ones, or not run for a reason."""
    about = {"status": "not_run" if reason else "new", "reason": reason, "metric": "accuracy"}
    about |= {"command": "snakemake emodc_figX", "reading": "paper"}
    return CellTable(
        table="emodc_figX",
        title="A figure",
        source="Fig. X",
        scale="demo",
        reading="paper",
        cells=[Cell(id=f"{r}/{c}", row=r, column=c, **about) for r in rows for c in columns],
    )


def plan_of(*cells: PlannedCell, scale: str = "paper") -> Plan:
    """A table of some cells."""
    return Plan(
        name="emodc_tableX",
        paper="emodc",
        title="Accuracy",
        source="Table X",
        scale=scale,
        reading="paper",
        cells=cells,
    )


def demo_study(missing: dict[str, str] | None = None) -> Study:
    """The study of scale demo; ``missing`` maps datasets to reasons."""
    return study(load_settings({"scale": "demo"}), lambda name: (missing or {}).get(name), lambda name: None)


def fabricate(study: Study, root: Path, samples: int = 44, people: int = 11, failing: str = "\0") -> None:
    """Write every evaluation of a study; those with ``failing`` in their name fail."""
    for name, spec in study.evaluations.items():
        if failing in name:
            failed(root, name, "its training failed: training diverged at step 41")
            continue
        random = np.random.default_rng(crc32(name.encode()))
        classes = CLASSES["compound" if "compound" in spec.dataset else "basic"]
        labels = np.arange(samples) % len(classes)
        right = random.random((samples, len(spec.timesteps))) < (0.3 if spec.train is None else 0.6)
        guesses = random.integers(len(classes), size=right.shape)
        decisions = np.where(right, labels[:, None], guesses)
        persons = [f"p{i % people}" for i in range(samples)]
        evaluation(root, name, decided(decisions, labels, spec, persons, tuple(classes)))
