"""EmoDC's grids, tables and figures (papers/emodc.yaml) expanded into runs, evaluations and plans."""

from __future__ import annotations

from typing import Any

from facetory.emodc import planning
from facetory.emodc.planning import Expansion, Request
from facetory.emodc.spec import EmoDCScale
from facetory.pipeline.config import Settings
from facetory.pipeline.registry import (
    Placed,
    PlannedCell,
    Study,
    check_slots,
    panel_requests,
    paper_file,
    plan_of,
    requests,
)
from facetory.pipeline.suggest import unknown, validated
from facetory.recognition.scale import RecognitionScale

Layout = dict[str, Any]


def study(settings: Settings, placed: Placed, backbone_missing: Placed) -> Study:
    """Expand the paper at the settings' scale.

    ``placed`` and ``backbone_missing`` say why a dataset or a backbone cannot be used (None: it can).
    One evaluation per (run, dataset) covers every timestep that any table or figure asks for.
    """
    where = f"{settings.config.scale}.yaml"
    expansion = Expansion(
        settings,
        validated(EmoDCScale, settings.scale.emodc, f"{where}: emodc"),
        validated(RecognitionScale, settings.scale.recognition, f"{where}: recognition"),
        paper_file("emodc"),
        placed,
        backbone_missing,
    )
    check_slots(settings, expansion.paper["slots"], "EmoDC")
    layouts = _layouts(expansion.paper)
    for layout in layouts.values():
        for request in layout["requests"]:
            if is_evaluated(request):
                planning.note(request, expansion)
    result = Study(settings)
    for name, layout in layouts.items():
        cells = _cells(layout["requests"], name, expansion, result)
        result.plans[f"emodc_{name}"] = plan_of("emodc", name, layout, settings, cells)
    return result


def is_evaluated(request: Request) -> bool:
    """Whether a request needs an evaluation of its own."""
    return request["kind"] == "measured" and "mean_of" not in request


def _layouts(paper: dict[str, Any]) -> dict[str, Layout]:
    """Tables, figures and ablations by name, each with its title, source and cell requests."""
    layouts: dict[str, Layout] = {}
    own = {f"ablation_{name}": table for name, table in paper["ablations"].items() if "columns" in table}
    for name, table in {**paper["tables"], **paper["figures"], **own}.items():
        cells = panel_requests(table) if "panels" in table else requests(table, f"emodc.yaml: {name}")
        layouts[name] = {"title": table["title"], "source": table["source"], "requests": list(cells)}
    for name, ablation in paper["ablations"].items():
        if "table" in ablation:
            layouts[f"ablation_{name}"] = _part_of(layouts[ablation["table"]], ablation, name)
    return layouts


def _part_of(table: Layout, ablation: dict[str, Any], name: str) -> Layout:
    """Some rows of a table as a layout of its own."""
    known = {request["row"] for request in table["requests"]}
    for row in ablation["rows"]:
        if row not in known:
            raise unknown("row", row, known, f"emodc.yaml: ablations: {name}")
    chosen = [request for request in table["requests"] if request["row"] in ablation["rows"]]
    return {**table, "title": ablation["title"], "requests": chosen}


def _cells(layout: list[Request], name: str, expansion: Expansion, result: Study) -> list[PlannedCell]:
    cells: dict[str, PlannedCell] = {}
    for request in layout:
        prefix = [f"emodc_{name}", *([request["slot"]] if name == "fig6" else []), request["row"]]
        cell_id = "/".join([*prefix, request["column"]])
        if request["kind"] != "measured":
            cells[cell_id] = _unmeasured(request, cell_id, expansion)
        elif "mean_of" in request:
            parts = [cells["/".join([*prefix, column])] for column in request["mean_of"]]
            cells[cell_id] = _mean(parts, request, cell_id)
        else:
            cells[cell_id] = _cell(request, cell_id, expansion, result)
    return list(cells.values())


def _unmeasured(request: Request, cell_id: str, expansion: Expansion) -> PlannedCell:
    """A literature value, or one that the paper leaves empty."""
    slot = request["slot"]
    return PlannedCell(
        id=cell_id,
        **{key: request[key] for key in ("row", "column", "kind", "published")},
        slot=slot,
        slot_title=expansion.paper["slots"][slot]["title"],
        unit=request.get("unit", "%"),
        metric=request.get("metric", "accuracy"),
    )


def _mean(parts: list[PlannedCell], request: Request, cell_id: str) -> PlannedCell:
    """The mean of other cells of its row."""
    update: dict[str, Any] = {
        "id": cell_id,
        "column": request["column"],
        "published": request["published"],
        "mean_of": tuple(part.id for part in parts),
        "evaluations": tuple(dict.fromkeys(e for part in parts for e in part.evaluations)),
        "not_run": next((part.not_run for part in parts if part.not_run), None),
        "steps": None,
        "grid": None,
        "timesteps": (),
    }
    return parts[0].model_copy(update=update)


def _cell(request: Request, cell_id: str, expansion: Expansion, result: Study) -> PlannedCell:
    settings, slot, trained = expansion.settings, request["slot"], planning.train_slot(request)
    dataset = settings.dataset_of(slot)
    reason = planning.why_not(request, expansion)
    if request.get("metric") in planning.TIMED and not reason and planning.timing(expansion) is None:
        reason = "EmoDC itself cannot be timed: see its own row"
    if reason:
        result.missing.setdefault(cell_id, reason)
    into = Study(settings) if reason else result
    seeds = planning.seeds(request, expansion)
    made = [_made(request, seed, expansion, into) for seed in seeds]
    faces = [f"faces/{dataset}/ledger.csv"] if request.get("reads_faces") else []
    return PlannedCell(
        id=cell_id,
        row=request["row"],
        column=request["column"],
        published=request["published"],
        ours=request.get("ours", False),
        unit=request.get("unit", "%"),
        slot=slot,
        slot_title=expansion.paper["slots"][slot]["title"],
        dataset=dataset,
        split=settings.split_of(dataset),
        stand_in=settings.is_stand_in(slot) or settings.is_stand_in(trained),
        trained_slot=trained,
        trained_on=settings.dataset_of(trained),
        corruption=request.get("corruption", "clean"),
        images_per_class=expansion.scale.robustness.images_per_class if "corruption" in request else None,
        metric=request.get("metric", "accuracy"),
        timestep=request.get("timestep"),
        **_grid(request, expansion),
        runs=tuple(run for run, *_ in made if run),
        evaluations=tuple(evaluation for _, evaluation, _ in made if evaluation),
        inputs=(*(path for *_, path in made if path), *faces),
        seeds=seeds,
        budget=_budget(request, expansion),
        not_run=reason,
    )


def _grid(request: Request, expansion: Expansion) -> dict[str, Any]:
    """The timesteps of a cell: the paper's number, how many run here, and which."""
    if planning.is_discriminative(request, expansion):
        return {"timesteps": (0,)}
    if not {"steps", "timestep"} & request.keys():
        return {}
    timesteps = planning.timesteps(request, expansion) or ()
    return {"steps": request.get("steps"), "grid": len(timesteps) or None, "timesteps": timesteps}


Made = tuple[str | None, str | None, str | None]
"""Ids of a run (None: zero-shot) and its evaluation, or another file that a cell reads."""


def _made(request: Request, seed: int, expansion: Expansion, study: Study) -> Made:
    """What a cell of one seed is made from, entered into a study."""
    if request.get("metric") in planning.TIMED:
        return _timed(request, seed, expansion, study)
    if planning.is_discriminative(request, expansion):
        classifier = planning.classifier_spec(request, seed, expansion)
        classification = planning.classification(request, classifier, expansion)
        study.classifiers[classifier.id] = classifier
        study.classifications[classification.id] = classification
        return classifier.id, classification.id, None
    train = planning.train_spec(request, seed, expansion)
    if train:
        study.runs[train.id] = train
    if train and planning.is_raced(request):
        race = planning.race(request, train, expansion)
        study.races[race.id] = race
        return train.id, None, f"races/{race.id}/manifest.json"
    if train and "guidance_scale" in request:
        generation = planning.generation(request, train, expansion)
        study.generations[generation.id] = generation
        return train.id, None, f"generations/{generation.id}/manifest.json"
    evaluation = planning.evaluation(request, train, expansion)
    study.evaluations[evaluation.id] = evaluation
    return train.id if train else None, evaluation.id, None


def _timed(request: Request, seed: int, expansion: Expansion, study: Study) -> Made:
    """A model that Table IX times, trained as any other."""
    timing = planning.timing(expansion)
    if planning.is_discriminative(request, expansion):
        model: Any = planning.classifier_spec(request, seed, expansion)
        study.classifiers[model.id] = model
    else:
        model = planning.train_spec(request, seed, expansion)
        study.runs[model.id] = model
    if timing is None:
        return model.id, None, None
    study.timings[timing.id] = timing
    return model.id, None, f"timings/{timing.id}/timing.json"


def _budget(request: Request, expansion: Expansion) -> dict[str, Any]:
    """Training steps and batch size, for a cell that nothing has measured yet."""
    if planning.is_discriminative(request, expansion):
        train: Any = planning.classifier_spec(request, 0, expansion)
    else:
        train = planning.train_spec(request, 0, expansion)
    return {"training_steps": train.steps, "batch_size": train.batch_size} if train else {}
