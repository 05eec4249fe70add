"""Separations and face sets made of plain formulas, in the files that AdaptDiff's stages leave behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from facetory.adaptdiff.spec import ContextSpec, GeneratorSpec, Guidance, SeparabilitySpec, SynthesisSpec
from facetory.faces.face_set import file_entry, write_face_file
from facetory.faces.spec import FaceSetSpec
from facetory.pipeline.files import write_json, write_tensors
from facetory.pipeline.registry import Plan, PlannedCell
from facetory.report.cells import Cell, CellTable

LOST = "elasticface_cos not placed: expected data/weights/elasticface_cos_r100.pth"
METHODS = {
    "IDiff-Face": Guidance(schedule="none"),
    "NegFaceDiff": Guidance(schedule="constant", w_max=0.5),
    "AdaptDiff": Guidance(),
}
PUBLISHED = {"IDiff-Face": (0.118, 2.631), "NegFaceDiff": (0.048, 5.052), "AdaptDiff": (0.037, 5.806)}
MEANS = {"IDiff-Face": (0.208, 0.104), "NegFaceDiff": (0.319, 0.123), "AdaptDiff": (0.356, 0.129)}
"""Genuine mean and standard deviation of Table 3."""
NAMES = {"eer": "EER", "fdr": "FDR", "genuine_mean": "G-mean", "genuine_std": "G-STD"}


def synthesis(guidance: Guidance, **changes) -> SynthesisSpec:
    contexts = ContextSpec(faces=FaceSetSpec(dataset="anny_people"), embedder="demo_context")
    generator = GeneratorSpec(dataset="anny_people", backbone="demo", px=32, contexts=contexts)
    return SynthesisSpec(generator=generator, guidance=guidance, **changes)


def separation(root: Path, own: SynthesisSpec, mean: float, std: float) -> tuple[str, str]:
    """A separation with normal scores: what a cell of it reads below ``root``."""
    spec = SeparabilitySpec(faces=f"syntheses/{own.id}", judge="demo_judge")
    folder = root / "separations" / spec.id
    edges = np.linspace(-1, 1, 401)
    draw = np.random.default_rng(0)
    scores = {"genuine": draw.normal(mean, std, 4000), "impostor": draw.normal(0.015, 0.058, 9000)}
    counts = {f"{k}_counts": np.histogram(v, edges)[0].astype(np.int64) for k, v in scores.items()}
    write_tensors(folder / "records.safetensors", {"edges": edges, **counts})
    write_json(folder / "manifest.json", {"status": "measured", "spec": spec.model_dump(mode="json")})
    write_json(
        root / spec.faces / "manifest.json", {"status": "gathered", "spec": own.model_dump(mode="json")}
    )
    return f"separations/{spec.id}/manifest.json", f"{spec.faces}/manifest.json"


def face_set(root: Path, own: SynthesisSpec, names: dict[int, str], images: int = 4, px: int = 32) -> None:
    """Flat faces, a colour an identity and a shade an image, as the set of a synthesis."""
    folder = root / "syntheses" / own.id
    identity = np.repeat(list(names), images)
    image = np.tile(np.arange(images), len(names))
    colours = np.random.default_rng(1).integers(60, 200, (100, 3))
    pixels = (colours[identity] + 6 * image[:, None])[:, :, None, None] + np.zeros((1, 1, px, px))
    file = folder / "shards" / "0of1" / "images.safetensors"
    write_face_file(file, pixels, identity, image, np.ones(len(identity)), names)
    about = {"dataset": "anny_people", "split": "synthetic", "synthetic": True, "title": "synthetic"}
    record = {"identities": len(names), "px": px, "alignment": "none", "about": about}
    record |= {"status": "gathered", "spec": own.model_dump(mode="json"), "files": [file_entry(folder, file)]}
    write_json(folder / "manifest.json", record)


def cell(row: str, metric: str, value: float | None = None, **changes) -> Cell:
    """A cell of a stand-in; without a value it was not run."""
    spread = {} if value is None else {"ci_low": 0.9 * value, "ci_high": 1.1 * value, "n": 1000}
    state = {"status": "not_run", "reason": LOST} if value is None else {"status": "not_comparable"}
    own = {
        "id": f"{row} {metric}",
        "row": row,
        "column": NAMES.get(metric, metric),
        "metric": metric,
        "value": value,
        "unit": "",
        "decimals": 3,
        "command": "snakemake adaptdiff_fig1",
        "reading": "paper",
        "slot": "ffhq",
        "slot_title": "FFHQ",
        "dataset": "anny_people",
        "trained_on": "anny_people",
        "split": "train",
        "stand_in": True,
        "seeds": [0],
        "budget": {"identities": 40, "images": 8, "sampler": "ddim 50"},
    }
    return Cell(**(own | spread | state | changes))


def table(*cells: Cell, name: str = "fig1") -> CellTable:
    about: dict[str, Any] = {"title": "T", "source": "Figure 1", "scale": "demo", "reading": "paper"}
    return CellTable(table=f"adaptdiff_{name}", cells=list(cells), resampled="identities", **about)


def plan(name: str, measured: CellTable, inputs: dict[str, tuple[str, ...]]) -> Plan:
    """The plan of a table; ``inputs`` of each row that ran."""
    planned = [
        PlannedCell(
            id=own.id,
            row=own.row,
            column=own.column,
            metric=own.metric,
            inputs=inputs.get(own.row, ()),
            not_run=own.reason if own.value is None else None,
        )
        for own in measured.cells
    ]
    about = {"paper": "adaptdiff", "title": "T", "source": "S", "scale": "demo", "reading": "paper"}
    return Plan(name=f"adaptdiff_{name}", cells=tuple(planned), **about)
