"""Trainings of Affect-Diff made of plain formulas, in the files that the stages leave behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from facetory.affectdiff.course import EDGES
from facetory.affectdiff.curriculum import curriculum
from facetory.affectdiff.spec import EMOTIONS, ModelSpec, RecognizerSpec
from facetory.data.mosei.spec import AlignmentSpec, CorpusSpec
from facetory.pipeline.files import sha256_of, write_json, write_tensors
from facetory.report.cells import Cell, CellTable

LOST = "CMU-MOSEI not placed: expected data/cmu_mosei"
STEPS = 10
"""Steps of an epoch."""


def recognizer(seed=42, prior_width=8, **changes) -> RecognizerSpec:
    model = ModelSpec(hidden=8, latent=8, heads=2, prior_width=prior_width)
    corpus = CorpusSpec(dataset="synthetic_mosei", videos=20, segments=4)
    return RecognizerSpec(
        model=model, alignment=AlignmentSpec(corpus=corpus), dataset="synthetic_mosei", seed=seed, **changes
    )


def run(root: Path, spec: RecognizerSpec, accuracy, best=None, steps=STEPS) -> str:
    """A trained run whose validation balanced accuracy is given epoch by epoch."""
    accuracy = np.asarray(accuracy, float)
    lines = []
    for epoch, value in enumerate(accuracy):
        gamma, gamma_kl = curriculum(spec.curriculum, epoch)
        at, fall = {"step": (epoch + 1) * steps}, 0.9**epoch
        losses = {"task": 1.5 * fall + 0.2, "kl": 0.05 * fall, "diffusion": 0.75 + fall / 4, "causal": 0.02}
        lines.append({**at, **losses, "gamma_kl": gamma_kl, "gamma_diffusion": gamma, "loss": 2 * fall})
        edges = {f"edge_{edge}": 0.1 * (i + 1) for i, edge in enumerate(EDGES)}
        weights = {"weight_text": 0.5 - 0.1 * fall, "weight_audio": 0.3, "weight_video": 0.2 + 0.1 * fall}
        checked = {"balanced_accuracy": value, "accuracy": value, "loss": 2 - value, "h": 0.3}
        lines.append({**at, "validation": checked | weights | edges})
    folder = root / "recognizers" / spec.id
    folder.mkdir(parents=True)
    (folder / "progress.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    best = int(np.argmax(accuracy)) + 1 if best is None else best
    training = {"steps": len(accuracy) * steps, "steps_per_epoch": steps, "best_step": best * steps}
    write_json(
        folder / "manifest.json",
        {"status": "trained", "spec": spec.model_dump(mode="json"), "training": training},
    )
    return spec.id


def answers(root: Path, name="c", n=60, label=True) -> Path:
    """Counterfactuals of random logits: the target is mostly reached, and Fear never."""
    draw, classes = np.random.default_rng(0), len(EMOTIONS)
    source = draw.normal(size=(n, classes)).astype(np.float32)
    source[:, 0] += 1.5
    target = np.broadcast_to(source[:, None], (n, classes, classes)) + draw.normal(size=(n, classes, classes))
    target = target + 2 * np.eye(classes)
    target[:, 3, 3] = -9
    swapped = source[:, None] + draw.normal(size=(n, 3, classes)) * np.array([1.5, 0.6, 0.3])[:, None]
    given = np.roll(np.arange(n), 1)[:, None].repeat(3, 1)
    given[0, 1] = -1
    swapped[0, 1] = np.nan
    steps = draw.random((n, classes, 50)) * (np.arange(50) < 20)
    arrays = {
        "logits_source": source,
        "attribution": draw.normal(0.5, 0.4, (n, 3)).astype(np.float32),
        "swap_logits": swapped.astype(np.float32),
        "swap_donors": given,
    }
    if label:
        arrays |= {
            "logits_counterfactual": target.astype(np.float32),
            "logits_roundtrip": source,
            "delta_norm": np.sqrt((steps**2).sum(2)).astype(np.float32),
            "delta_by_position": steps.astype(np.float16),
        }
    ids = [f"video{i // 4}[{i % 4}]" for i in range(n)]
    answered = {"status": "answered"}
    asked = {"label": answered if label else {"status": "not_run", "reason": LOST}, "modality": answered}
    about = {
        "segment_ids": ids,
        "videos": [i.partition("[")[0] for i in ids],
        "classes": list(EMOTIONS),
        "questions": asked,
        "donors": [[ids[j] if j >= 0 else None for j in row] for row in given],
    }
    path = root / "counterfactuals" / name / "records.safetensors"
    write_tensors(path, arrays, about)
    write_json(
        path.with_name("manifest.json"),
        {"status": "answered", "questions": asked, "outputs": {path.name: sha256_of(path)}},
    )
    return path.parent


def cell(row, column, value=None, half=0.03, **changes) -> Cell:
    about = {"status": "not_comparable"} if value is not None else {"status": "not_run", "reason": LOST}
    about |= {"command": "snakemake affectdiff_figX", "reading": "paper", "metric": "m", "unit": ""}
    about |= {"slot": "mosei", "slot_title": "CMU-MOSEI", "dataset": "synthetic_mosei", "split": "test"}
    about |= {"stand_in": True, "n": 40 if value is not None else None}
    if value is not None and half is not None:
        about |= {"ci_low": value - half, "ci_high": value + half}
    return Cell(id=f"{row}/{column}", row=row, column=column, value=value, **about | changes)


def table(*cells, name="affectdiff_figX") -> CellTable:
    return CellTable(
        table=name, title="A figure", source="Fig. X", scale="demo", reading="paper", cells=list(cells)
    )
