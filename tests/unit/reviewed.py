"""Results that a reviewer might be given: two tables and a figure of EmoDC and of SMC, from known records."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import fabricated
import smc_records
from facetory.cli.tables import wing
from facetory.pipeline.config import load_settings
from facetory.pipeline.files import read_json, write_json, write_text
from facetory.pipeline.registry import Plan
from facetory.report.cells import write_cells
from facetory.report.plans import NAME, write_plans
from facetory.report.tables import write_table
from facetory.smc import registry as smc

TABLES = ("emodc_table2", "smc_ablation_noise_strength")
FIGURES = ("emodc_fig5", "smc_ablation_noise_strength")
OUTSIDE = "/weights/unet.safetensors"
CELL = 'emodc_table2:"Acc.":"c_nc"'


@cache
def studies():
    """The demo's studies of EmoDC and SMC, with every dataset at hand."""
    demo = load_settings({"scale": "demo"})
    return fabricated.demo_study(), smc.study(demo, lambda name: None, lambda name: None)


def plans() -> dict[str, Plan]:
    """The plans of what is made."""
    whole = {name: plan for study in studies() for name, plan in study.plans.items()}
    return {name: whole[name] for name in dict.fromkeys([*TABLES, *FIGURES])}


def results(root: Path) -> Path:
    """Write records, tables, a figure's cells and plans.json into ``root``; returns it."""
    emodc, edits = studies()
    inputs = {path.split("/")[1] for plan in plans().values() for path in plan.inputs}
    asked = {name: spec for name, spec in emodc.evaluations.items() if name in inputs}
    fabricated.fabricate(replace(emodc, evaluations=asked), root)
    for name in inputs & edits.edits.keys():
        smc_records.edit(root / "edits" / name, edits.edits[name], edits.edits[name].target)
    for name in inputs & edits.measures.keys():
        spec = edits.measures[name]
        smc_records.measure(root / "measures" / name, spec, spec.edit.target)
    for name in TABLES:
        write_table(wing(plans()[name], "cells").table(plans()[name], root), root / "tables")
    for name in FIGURES:
        measured = wing(plans()[name], "cells").table(plans()[name], root)
        write_cells(root / "figures" / f"{name}.cells.json", measured)
        write_text(root / "figures" / f"{name}.csv", "drawn\n1\n")
    (root / "figures" / "emodc_fig5.png").write_bytes(b"\x89PNG")
    write_plans(root / NAME, {"scale": "demo"}, plans())
    return root


def add_origin(root: Path, evaluation: str) -> None:
    """Say how an evaluation came to be: from a run and latents, those from faces, those from a dataset."""
    versions = {"python": "3.11.7", "torch": "2.9.0"}
    common = {"versions": versions, "device": "cpu", "git_commit": "0123456789abcdef+changes", "code": "c0de"}
    stages = {
        "datasets/anny_basic": ("index", [], None),
        "faces/anny_basic": ("faces", ["datasets/anny_basic/index.csv"], None),
        "backbones/demo-backbone": ("backbone", [], None),
        "runs/r": ("emodc train", ["latents/demo-backbone/anny_basic/64/clean/train.safetensors"], 3),
        f"evaluations/{evaluation}": ("emodc evaluate", ["runs/r/adapter.safetensors", OUTSIDE], 3),
    }
    for folder, (stage, sources, seed) in stages.items():
        path = root / folder / "manifest.json"
        own = read_json(path) if path.is_file() else {"status": "done", "outputs": {}}
        names = [name if name.startswith("/") else f"results/demo/{name}" for name in sources]
        inputs = dict.fromkeys(names, "ab" * 32)
        write_json(path, own | common | {"stage": stage, "inputs": inputs, "seed": seed, "duration_s": 1.5})
