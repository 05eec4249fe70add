"""A small results folder for tests of the report: two papers, a figure, manifests, a plan; all made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from facetory.pipeline.files import write_json
from facetory.pipeline.registry import Plan, PlannedCell
from facetory.report.cells import Cell, CellTable, write_cells
from facetory.report.plans import write_plans
from PIL import Image

HOSTILE = "<img src=x onerror=\"document.title='owned'\"></script><b>&"
"""A name that would run, or break out of its place, where it was not escaped."""


def cell(id: str, value: float | None = None, **about: Any) -> Cell:
    """A cell whose id is target/row/column; without a value it was not run."""
    table, row, column = id.split("/", 2)
    usual: dict[str, Any] = {
        "row": row,
        "column": column,
        "value": value,
        "status": "not_run" if value is None else "new",
        "reason": "no data" if value is None else None,
        "command": f"snakemake {table}",
        "reading": "paper",
        "metric": "accuracy",
    }
    return Cell(id=id, **(usual | about))


def table(name: str, *cells: Cell, **about: Any) -> CellTable:
    """The cells of one table or figure."""
    usual = {"title": "Accuracy by α", "source": "Table I", "scale": "demo", "reading": "paper"}
    return CellTable(table=name, cells=list(cells), **(usual | {"stub": ["Method"]} | about))


def drawn(path: Path, width: int = 60, height: int = 40, noise: bool = False) -> Path:
    """A PNG, plain or of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((height, width, 3), 255, np.uint8)
    if noise:
        pixels = np.random.default_rng(0).integers(0, 256, pixels.shape, dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def manifest(root: Path, folder: str, inputs: tuple[str, ...] = (), **says: Any) -> None:
    """A stage's manifest below a results folder."""
    usual = {
        "stage": folder.split("/")[0],
        "inputs": dict.fromkeys(inputs, "5f" * 32),
        "versions": {"python": "3.11.7", "torch": "2.13.0"},
        "device": "cpu",
        "git_commit": "c0ffee",
        "code": "7e20",
        "started": "2026-01-02T03:04:05Z",
        "duration_s": 1800.0,
        "outputs": {},
    }
    write_json(root / folder / "manifest.json", usual | says)


def results(root: Path, rehearsal: bool = False) -> Path:
    """A results folder with every kind of cell, made for the name ``<…>/results/demo``.

    EmoDC has a table (one cell inside its interval, one outside, one that stands in, one not run), a table of
    a hostile name, and a repeat of its runs; SMC has a figure with a picture.
    """
    made = cell(
        "emodc_table1/Base/1-step",
        81.25,
        ci_low=79.5,
        ci_high=83.0,
        n=301,
        published=82.0,
        delta=-0.75,
        status="reproduced",
        runs=["base-seed0"],
        seeds=[0, 1],
        sd=0.5,
        dataset="rafdb_basic",
        split="test",
        budget={"training_steps": 240},
        steps=100,
        grid=20,
    )
    out = {"published": 90.12, "delta": -10.12, "status": "outside", "runs": ["amdit-seed0"]}
    stood = {"published": 85.0, "status": "not_comparable", "reason": "anny stands in for RAF-DB"}
    names = {"dataset": "anny", "slot": "rafdb_basic", "slot_title": "RAF-DB B", "stand_in": True}
    tables = [
        table(
            "emodc_table1",
            made,
            cell("emodc_table1/Base/10-step", 80.0, **stood, **names),
            cell("emodc_table1/AMDiT, α = 0.01/1-step", 80.0, **out),
            cell("emodc_table1/AMDiT, α = 0.01/10-step", published=91.0),
            stub=["Method", "Hyperparam."],
            rehearsal=rehearsal,
        ),
        table(
            "emodc_table2",
            cell(f"emodc_table2/{HOSTILE}/{HOSTILE}", 1.0, dataset=HOSTILE, reason=HOSTILE),
            title=HOSTILE,
            source="Table II",
        ),
        table(
            "emodc_stability",
            cell("emodc_stability/First run/1-step", 80.0),
            cell("emodc_stability/Same seed again/1-step", 80.0),
            cell("emodc_stability/Another seed/1-step", 78.5),
            source="Stability",
            title="Runs again",
        ),
    ]
    figure = table("smc_fig5", cell("smc_fig5/γ = 1/Happy", 0.5, unit=""), source="Fig. 5", title="Scores")
    for own in tables:
        write_cells(root / "tables" / f"{own.table}.cells.json", own)
    write_cells(root / "figures" / "smc_fig5.cells.json", figure)
    drawn(root / "figures" / "smc_fig5.png")
    weights = "results/demo/runs/base-seed0/adapter.safetensors"
    manifest(root, "runs/base-seed0", started="2026-01-01T00:00:00Z", spec={"dataset": HOSTILE})
    manifest(root, "evaluations/base-test", (weights,))
    planned = PlannedCell(id=made.id, row=made.row, column=made.column, evaluations=("base-test",))
    plan = {"paper": "emodc", "scale": "demo", "reading": "paper", "title": "T", "source": "Table"}
    plans = {
        "emodc_table1": Plan(name="emodc_table1", cells=(planned,), **plan),
        "emodc_table9": Plan(name="emodc_table9", cells=(), **plan),
    }
    write_plans(root / "plans.json", {"scale": "demo"}, plans)
    return root


def judged(root: Path) -> None:
    """Claims and an audit beside the results: one claim on a cell, two checks."""
    verdicts = {
        "on_published": {"verdict": "holds", "detail": "90.12 against 82."},
        "on_regenerated": {"verdict": "not_comparable", "detail": "Stand-in data.", "direction": "same"},
    }
    about = {"id": "margin", "paper": "emodc", "text": "AMDiT is ahead of Base", "source": "Section IV"}
    write_json(
        root / "claims.json", {"claims": [about | verdicts | {"evidence": ["emodc_table1/Base/1-step", "x"]}]}
    )
    finding = {"paper": "emodc", "source": "Table I", "row": "Base", "check": "mean of the columns"}
    findings = [
        finding | {"id": "1", "outcome": "consistent", "value": 82.0},
        finding | {"id": "2", "outcome": "inconsistent", "value": 90.12, "detail": HOSTILE},
    ]
    write_json(root / "audit.json", {"findings": findings, "counts": {}})
