"""AdaptDiff's tables, figures and ablations (papers/adaptdiff.yaml) expanded into specs and plans."""

from __future__ import annotations

from typing import Any

from facetory.adaptdiff import planning
from facetory.adaptdiff.planning import Expansion
from facetory.adaptdiff.requests import Asked, checked
from facetory.adaptdiff.scale import AdaptDiffScale
from facetory.adaptdiff.spec import SynthesisSpec
from facetory.faces.spec import FaceSetSpec
from facetory.pipeline.config import Settings
from facetory.pipeline.registry import Placed, PlannedCell, Study, paper_file, plan_of, requests
from facetory.pipeline.suggest import validated
from facetory.recognition.face_spec import BenchmarkSpec, FaceRecognizerSpec, VerificationSpec


def study(settings: Settings, placed: Placed, backbone_missing: Placed) -> Study:
    """Expand the paper at the settings' scale.

    ``placed`` and ``backbone_missing`` say why a dataset or a first stage cannot be used (None: it can).
    Cells that ask for the same faces, recogniser or scores share them.
    """
    scale = validated(AdaptDiffScale, settings.scale.adaptdiff, f"{settings.config.scale}.yaml: adaptdiff")
    expansion = Expansion(settings, scale, paper_file("adaptdiff"), placed, backbone_missing)
    planning.check(expansion)
    result, paper = Study(settings), expansion.paper
    ablations = {f"ablation_{name}": {**paper["ablation"], **own} for name, own in paper["ablations"].items()}
    for name, layout in {**paper["tables"], **paper["figures"], **ablations}.items():
        where = f"adaptdiff.yaml: {name}"
        asked = [checked(request, paper["slots"], where) for request in requests(layout, where)]
        cells = [_cell(request, f"adaptdiff_{name}", expansion, result) for request in asked]
        result.plans[f"adaptdiff_{name}"] = plan_of("adaptdiff", name, layout, settings, cells)
    return result


def _cell(asked: Asked, name: str, expansion: Expansion, result: Study) -> PlannedCell:
    settings, slot = expansion.settings, asked.benchmark or asked.slot
    cell_id = "/".join([name, asked.row, asked.column])
    about = expansion.paper["slots"][slot]
    shared: dict[str, Any] = {
        "id": cell_id,
        "row": asked.row,
        "column": asked.column,
        "published": asked.published,
        "ours": asked.ours,
        "unit": asked.unit,
        "slot": slot,
        "slot_title": about["title"],
        "metric": asked.metric,
        "kind": asked.kind,
    }
    if asked.kind != "measured":
        return PlannedCell(**shared)
    reason = planning.why_not(asked, expansion)
    if reason:
        result.missing.setdefault(cell_id, reason)
    into = Study(settings) if reason else result
    seeds = _seeds(asked, expansion)
    made = [_made(asked, seed, expansion, into) for seed in seeds]
    shown = {"synthesis": "synthetic", "authentic": asked.split, "embedder": "test"}
    return PlannedCell(
        **shared,
        dataset=settings.dataset_of(slot),
        split="test" if asked.benchmark else shown[asked.of],
        stand_in=settings.is_stand_in(slot, about["dataset"]),
        **_steps(asked, expansion),
        trained_slot=asked.slot if asked.of != "embedder" else None,
        trained_on=settings.dataset_of(asked.slot) if asked.of != "embedder" else None,
        runs=tuple(dict.fromkeys(run for run, _ in made)),
        inputs=tuple(dict.fromkeys(path for _, paths in made for path in paths)),
        seeds=seeds,
        not_run=reason,
    )


def _steps(asked: Asked, expansion: Expansion) -> dict[str, Any]:
    """The paper's number of sampling steps and this scale's, of synthetic faces."""
    if asked.of != "synthesis":
        return {}
    return {"steps": asked.steps, "grid": planning.sampler(asked, expansion).steps}


def _seeds(asked: Asked, expansion: Expansion) -> tuple[int, ...]:
    """Of what a cell repeats: a recogniser's training, the synthesis, or nothing."""
    seeds = expansion.scale.seeds
    if asked.of == "embedder" or asked.metric.startswith("leakage"):
        return (0,)
    if asked.benchmark or asked.metric == "mean_accuracy":
        return seeds.recognition
    return seeds.synthesis if asked.of == "synthesis" else (0,)


def _made(asked: Asked, seed: int, expansion: Expansion, into: Study) -> tuple[str, list[str]]:
    """What a cell shows for one seed, by its id, and the manifests that it reads, entered into a study."""
    examined = [asked.benchmark] if asked.benchmark else planning.benchmarks(expansion)
    if asked.of == "embedder":
        paths = [_verified(asked.embedder, slot, expansion, into) for slot in examined]
        return str(asked.embedder), paths
    if asked.benchmark or asked.metric == "mean_accuracy":
        run = _recognizer(asked, seed, expansion, into)
        paths = [_verified(run, slot, expansion, into) for slot in examined]
        return run.id, [*paths, f"face_recognizers/{run.id}/manifest.json", f"{run.faces}/manifest.json"]
    if asked.of == "authentic":
        faces = _face_set(planning.face_set(asked.slot, expansion, asked.split), into)
        return faces, [_separated(faces, asked.slot, expansion, into), f"{faces}/manifest.json"]
    scale = expansion.scale
    size = scale.full if asked.size == "full" and seed == 0 else scale.ablation
    made = planning.synthesis(asked, size, seed, expansion)
    faces = _synthesis(made, into)
    if asked.metric.startswith("leakage"):
        audit = planning.audit(made, expansion)
        into.audits[audit.id] = audit
        _contexts(made, into)
        return made.id, [f"audits/{audit.id}/manifest.json", f"{faces}/manifest.json"]
    return made.id, [_separated(faces, asked.slot, expansion, into), f"{faces}/manifest.json"]


def _recognizer(asked: Asked, seed: int, expansion: Expansion, into: Study) -> FaceRecognizerSpec:
    """The recogniser of a cell, with the faces that it learns from, entered into a study."""
    if asked.of == "authentic":
        faces, size = _face_set(planning.face_set(asked.slot, expansion), into), None
    else:
        size = expansion.scale.full
        faces = _synthesis(planning.synthesis(asked, size, 0, expansion), into)
    run = planning.recognizer(faces, asked, size, seed, expansion)
    into.face_recognizers[run.id] = run
    if run.benchmarks:
        for slot in planning.benchmarks(expansion):
            _benchmark(planning.benchmark(slot, expansion), into)
    return run


def _verified(model: Any, slot: str, expansion: Expansion, into: Study) -> str:
    asked: VerificationSpec = planning.verification(model, slot, expansion)
    into.verifications[asked.id] = asked
    _benchmark(asked.benchmark, into)
    return f"verifications/{asked.id}/manifest.json"


def _benchmark(asked: BenchmarkSpec, into: Study) -> None:
    into.benchmarks[asked.id] = asked
    if asked.faces:
        _face_set(asked.faces, into)


def _separated(faces: str, slot: str, expansion: Expansion, into: Study) -> str:
    asked = planning.separability(faces, slot, expansion)
    into.separations[asked.id] = asked
    return f"separations/{asked.id}/manifest.json"


def _face_set(asked: FaceSetSpec, into: Study) -> str:
    into.face_sets[asked.id] = asked
    return f"face_sets/{asked.id}"


def _synthesis(asked: SynthesisSpec, into: Study) -> str:
    """The folder of synthetic faces; they, their generator and all that it learns from enter a study."""
    into.syntheses[asked.id] = asked
    into.pools[asked.pool.id] = asked.pool
    into.generators[asked.generator.id] = asked.generator
    if not asked.generator.weights:
        _contexts(asked, into)
    return f"syntheses/{asked.id}"


def _contexts(asked: SynthesisSpec, into: Study) -> None:
    own = asked.generator.contexts
    into.contexts[own.id] = own
    _face_set(own.faces, into)
