"""Affect-Diff's tables, figures and ablations (papers/affectdiff.yaml) expanded into runs and plans."""

from __future__ import annotations

from typing import Any

from facetory.affectdiff import planning
from facetory.affectdiff.planning import Expansion
from facetory.affectdiff.requests import COUNTERFACTUAL, LATENCY, SCORED, Request, checked
from facetory.affectdiff.scale import AffectDiffScale
from facetory.affectdiff.spec import RecognizerSpec
from facetory.pipeline.config import Settings
from facetory.pipeline.registry import Placed, PlannedCell, Study, paper_file, plan_of, requests
from facetory.pipeline.suggest import validated


def study(settings: Settings, placed: Placed, backbone_missing: Placed) -> Study:
    """Expand the paper at the settings' scale.

    ``placed`` says why a dataset cannot be used (None: it can); there is no backbone.  Cells that ask for the
    same run share it.
    """
    scale = validated(AffectDiffScale, settings.scale.affectdiff, f"{settings.config.scale}.yaml: affectdiff")
    expansion = Expansion(settings, scale, paper_file("affectdiff"), placed)
    planning.check(expansion)
    result = Study(settings)
    paper = expansion.paper
    ablations = {f"ablation_{name}": {**paper["ablation"], **own} for name, own in paper["ablations"].items()}
    for name, layout in {**paper["tables"], **paper["figures"], **ablations}.items():
        where = f"affectdiff.yaml: {name}"
        asked = [
            checked(request, paper["slots"], expansion.models, where) for request in requests(layout, where)
        ]
        cells = [_cell(request, f"affectdiff_{name}", expansion, result) for request in asked]
        result.plans[f"affectdiff_{name}"] = plan_of("affectdiff", name, layout, settings, cells)
    return result


def _cell(request: Request, name: str, expansion: Expansion, result: Study) -> PlannedCell:
    settings, slot = expansion.settings, request["slot"]
    cell_id = "/".join([name, request["row"], request["column"]])
    slot_about = expansion.paper["slots"][slot]
    shared: dict[str, Any] = {
        "id": cell_id,
        "row": request["row"],
        "column": request["column"],
        "published": request["published"],
        "ours": request.get("ours", False),
        "unit": request.get("unit", ""),
        "slot": slot,
        "slot_title": slot_about["title"],
        "metric": request["metric"] + (" minus" if request.get("minus") else ""),
        "kind": request["kind"],
    }
    if request["kind"] != "measured" or request.get("minus") == request["model"]:
        return PlannedCell(**{**shared, "kind": "not_applicable"})
    reason = planning.why_not(request, expansion)
    if reason:
        result.missing.setdefault(cell_id, reason)
    into = Study(settings) if reason else result
    chosen = planning.seeds(request, expansion)
    made = [_made(request, seed, expansion, into) for seed in chosen]
    dataset = settings.dataset_of(slot)
    return PlannedCell(
        **shared,
        dataset=dataset,
        split="validation" if request["metric"].startswith("val_") else "test",
        stand_in=settings.is_stand_in(slot, slot_about["dataset"]),
        runs=tuple(run.id for run, _ in made),
        inputs=tuple(dict.fromkeys(path for _, paths in made for path in paths)),
        seeds=chosen,
        not_run=reason,
    )


def _made(request: Request, seed: int, expansion: Expansion, into: Study) -> tuple[RecognizerSpec, list[str]]:
    """The run of a cell for one seed, and the files that it reads, entered into a study."""
    run, slot = _run(request["model"], request["slot"], seed, expansion, into), request["slot"]
    metric = request["metric"].partition(" ")[0]
    trained = f"recognizers/{run.id}/manifest.json"
    if metric in SCORED:
        names = [request["model"], *([request["minus"]] if request.get("minus") else [])]
        runs = [_run(name, slot, seed, expansion, into) for name in names]
        return run, [path for own in runs for path in _scored(own, expansion, into)]
    if metric in COUNTERFACTUAL:
        asked = planning.counterfactual(run, expansion)
        into.counterfactuals[asked.id] = asked
        return run, [f"counterfactuals/{asked.id}/manifest.json", trained]
    if metric in LATENCY:
        timed = planning.latency(expansion)
        into.latencies[timed.id] = timed
        return run, [f"latencies/{timed.id}/manifest.json", trained]
    others = [request["minus"]] if request.get("minus") else []
    paths = [f"recognizers/{_run(name, slot, seed, expansion, into).id}/manifest.json" for name in others]
    return run, [trained, *paths, f"alignments/{run.alignment.id}/manifest.json"]


def _scored(run: RecognizerSpec, expansion: Expansion, into: Study) -> list[str]:
    """The scores of a run, entered into a study: their manifest and that of the run."""
    scored = planning.score(run, expansion)
    into.scores[scored.id] = scored
    return [f"scores/{scored.id}/manifest.json", f"recognizers/{run.id}/manifest.json"]


def _run(name: str, slot: str, seed: int, expansion: Expansion, into: Study) -> RecognizerSpec:
    """The run of a named model, with all that it is made from, entered into a study."""
    run = planning.recognizer(name, slot, seed, expansion)
    into.recognizers[run.id] = run
    into.alignments[run.alignment.id] = run.alignment
    into.corpora[run.alignment.corpus.id] = run.alignment.corpus
    for extraction in planning.extractions(run.alignment, expansion):
        into.extractions[extraction.id] = extraction
    return run
