"""SMC's tables, figures and ablations (papers/smc.yaml) expanded into edits, measures and plans."""

from __future__ import annotations

from typing import Any

from facetory.pipeline.config import Settings
from facetory.pipeline.registry import Placed, PlannedCell, Study, paper_file, plan_of, requests
from facetory.pipeline.suggest import validated
from facetory.recognition.scale import RecognitionScale
from facetory.smc import planning
from facetory.smc.planning import Expansion
from facetory.smc.requests import Request, checked
from facetory.smc.scale import SMCScale

OF_RECONSTRUCTION = ("judge_score", "identity", "distance")
"""Metrics that the autoencoder alone has too."""
PAIRED = ("flip_rate", "judge_score", "identity")
"""Metrics of which differences are taken."""


def study(settings: Settings, placed: Placed, backbone_missing: Placed) -> Study:
    """Expand the paper at the settings' scale.

    ``placed`` and ``backbone_missing`` say why a dataset or an autoencoder cannot be used (None: it can).
    Cells that ask for the same edit share it.
    """
    where = f"{settings.config.scale}.yaml"
    expansion = Expansion(
        settings,
        validated(SMCScale, settings.scale.smc, f"{where}: smc"),
        validated(RecognitionScale, settings.scale.recognition, f"{where}: recognition"),
        paper_file("smc"),
        placed,
        backbone_missing,
    )
    planning.check(expansion)
    result = Study(settings)
    paper = expansion.paper
    ablations = {f"ablation_{name}": own for name, own in paper["ablations"].items()}
    for name, layout in {**paper["tables"], **paper["figures"], **ablations}.items():
        where = f"smc.yaml: {name}"
        asked = [checked(request, paper["slots"], where) for request in requests(layout, where)]
        cells = [_cell(request, f"smc_{name}", expansion, result) for request in asked]
        result.plans[f"smc_{name}"] = plan_of("smc", name, layout, settings, cells)
    return result


def _cell(request: Request, name: str, expansion: Expansion, result: Study) -> PlannedCell:
    settings, slot = expansion.settings, request["slot"]
    cell_id = "/".join([name, request["row"], request["column"]])
    dataset = settings.dataset_of(slot)
    shared: dict[str, Any] = {
        "id": cell_id,
        "row": request["row"],
        "column": request["column"],
        "published": request["published"],
        "ours": request.get("ours", False),
        "unit": request.get("unit", "%"),
        "slot": slot,
        "slot_title": expansion.paper["slots"][slot]["title"],
        "metric": " ".join([request["metric"], *_variant(request)]),
    }
    if request["metric"] == "parameters":
        return PlannedCell(**shared, budget={"architecture": expansion.scale.diffusion.architecture})
    if request["metric"] not in _possible(request):
        return PlannedCell(**shared, kind="not_applicable")
    reason = planning.why_not(request, expansion)
    if reason:
        result.missing.setdefault(cell_id, reason)
    into = Study(settings) if reason else result
    made = [_made(request, seed, expansion, into) for seed in settings.scale.seeds]
    own = expansion.paper["slots"][slot].get("dataset")
    return PlannedCell(
        **shared,
        dataset=dataset,
        split=settings.split_of(dataset),
        stand_in=settings.is_stand_in(slot, own) or settings.is_stand_in("celebahq"),
        trained_slot="celebahq",
        trained_on=" and ".join([settings.dataset_of("celebahq"), *planning.also(expansion)]),
        runs=tuple(run for run, _ in made if run),
        inputs=tuple(path for _, paths in made for path in paths),
        seeds=settings.scale.seeds,
        not_run=reason,
    )


def _variant(request: Request) -> list[str]:
    """What a metric is taken of, beside the edit: the reconstruction, or faces that show something."""
    if "attribute" in request:
        return ["with" if request["shown"] else "without", request["attribute"]]
    return [request["of"]] if "of" in request else ["minus"] if "minus" in request else []


def _possible(request: Request) -> tuple[str, ...]:
    """The metrics that a row can have: all, or those of a reconstruction, or of a difference."""
    if request.get("of") == "reconstruction":
        return OF_RECONSTRUCTION
    return PAIRED if "minus" in request else (request["metric"],)


def _made(request: Request, seed: int, expansion: Expansion, into: Study) -> tuple[str | None, list[str]]:
    """The run of a cell for one seed, and the files that it reads, entered into a study."""
    if request["metric"] in planning.RECONSTRUCTED:
        reconstruction = planning.reconstruction(request, expansion)
        into.reconstructions[reconstruction.id] = reconstruction
        return None, [f"reconstructions/{reconstruction.id}/manifest.json"]
    train = planning.diffusion(seed, expansion)
    into.diffusions[train.id] = train
    if request["metric"] == "last_loss":
        return train.id, [f"diffusions/{train.id}/manifest.json"]
    if request["metric"] == "samples_realism":
        samples = planning.samples(seed, expansion)
        into.samples[samples.id] = samples
        return train.id, [f"samples/{samples.id}/manifest.json"]
    asked = [request, *([{**request, **request["minus"]}] if "minus" in request else [])]
    return train.id, [path for own in asked for path in _edited(own, seed, expansion, into)]


def _edited(request: Request, seed: int, expansion: Expansion, into: Study) -> list[str]:
    """An edit and what is measured of it, entered into a study: the files of both."""
    edit = planning.edit(request, seed, expansion)
    measure = planning.measure(edit, expansion)
    into.edits[edit.id] = edit
    into.measures[measure.id] = measure
    into.classifiers |= {own.id: own for own in (edit.guide, measure.judge)}
    if edit.decoder:
        into.decoders[edit.decoder.id] = edit.decoder
    return [f"measures/{measure.id}/manifest.json", f"edits/{edit.id}/manifest.json"]
