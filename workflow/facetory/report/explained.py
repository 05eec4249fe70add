"""Where a number comes from: its cell, what it is measured from, the way to the data, and the commands."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from facetory.pipeline.config import Config
from facetory.pipeline.registry import Plan, PlannedCell
from facetory.report.address import address_of
from facetory.report.cells import Cell, read_cells
from facetory.report.lineage import lineage, records_of
from facetory.report.made import ENDING, FOLDERS
from facetory.report.notes import MEANINGS
from facetory.report.plans import PlansFile

KEPT = (
    "stage",
    "status",
    "reason",
    "code",
    "git_commit",
    "versions",
    "device",
    "seed",
    "started",
    "duration_s",
)


class Artefact(BaseModel):
    """A stage's manifest: what made a thing of the way, from what (sha256 by path), with which code, when.

    ``path`` lies below the results folder; ``code`` is the hash of the stage's syntax trees, ``duration_s``
    in seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    stage: str | None = None
    status: str | None = None
    reason: str | None = None
    code: str | None = None
    git_commit: str | None = None
    versions: dict[str, str] = {}
    device: str | None = None
    seed: int | None = None
    started: str | None = None
    duration_s: float | None = None
    inputs: dict[str, str] = {}


class Explanation(BaseModel):
    """A cell's origin.  ``cell`` is None where its table was not made; ``meaning`` is what its status means.

    ``records`` are what it is measured from and ``missing`` those that are not there, below the results
    folder; ``artefacts`` the way back, nearest first; ``commands`` what remakes it, by what they remake.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str
    title: str
    source: str
    cell: Cell | None
    planned: PlannedCell
    meaning: str
    files: list[str]
    records: list[str]
    missing: list[str]
    artefacts: list[Artefact]
    commands: dict[str, list[str]]


def explain(root: Path, plans: PlansFile, plan: Plan, planned: PlannedCell) -> Explanation:
    """Where a planned cell's number comes from, by what lies in ``root``, a scale's results folder."""
    files = [f"{folder}/{plan.name}{ENDING}" for folder in FOLDERS]
    files = [path for path in files if (root / path).is_file()]
    cells = read_cells(root / files[0]).cells if files else []
    cell = next((own for own in cells if own.id == planned.id), None)
    records = [] if planned.kind != "measured" else records_of(plan, planned)
    return Explanation(
        address=str(address_of(plan.name, planned)),
        title=plan.title,
        source=plan.source,
        cell=cell,
        planned=planned,
        meaning=MEANINGS[cell.status] if cell else "its table was not made in this results folder",
        files=files,
        records=records,
        missing=[path for path in records if not (root / path).is_file()],
        artefacts=[artefact(path, about) for path, about in lineage(root, records).items()],
        commands=commands(root, plans.config, plan, records),
    )


def artefact(path: str, manifest: Mapping[str, Any]) -> Artefact:
    """What a manifest says of how its thing was made; what an older one lacks stays empty."""
    known = {key: manifest[key] for key in KEPT if manifest.get(key) is not None}
    return Artefact(path=path, inputs=manifest.get("inputs") or {}, **known)


def commands(root: Path, config: Mapping[str, Any], plan: Plan, records: list[str]) -> dict[str, list[str]]:
    """What a user types to remake the target, to remake its records alone, and to measure it again from them.

    Snakemake takes the configuration that plans.json kept, and runs in the project's folder.
    """
    usual = Config().model_dump(mode="json")
    given = {key: value for key, value in config.items() if usual.get(key) != value}
    own = ["--config", *(f"{key}={_value(value)}" for key, value in given.items())] if given else []
    scale = plan.scale if plan.reading == "paper" else f"{plan.scale}+{plan.reading}"
    made = [f"results/{scale}/{path}" for path in records]
    verb = "make" if (root / "tables" / f"{plan.name}{ENDING}").is_file() else "figure"
    settings = ["--settings", json.dumps(dict(config), sort_keys=True)] if given else []
    measured = ["facetory", "table", verb, plan.name, "--root", str(root), *settings]
    return {
        "to remake the target": [shlex.join(["snakemake", "--cores", "2", plan.name, *own])],
        "to remake what it is measured from": [
            shlex.join(["snakemake", "--cores", "2", path, *own]) for path in made
        ],
        "to measure it again from the records": [shlex.join(measured)],
    }


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
