"""EmoDC's grids, tables and figures (papers/emodc.yaml) expanded into runs, evaluations and plans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from facetory.emodc.grids import evaluation_timesteps, grid, paper_timestep
from facetory.emodc.spec import EmoDCEvalSpec, EmoDCScale, EmoDCTrainSpec
from facetory.pipeline.config import Settings
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.registry import Placed, Plan, PlannedCell, Study, panel_requests, paper_file, requests
from facetory.pipeline.suggest import unknown, validated

MODEL_KEYS = {"loss", "lambda_1", "margin", "alpha", "non_negative_prompt"}


@dataclass(frozen=True)
class _Expansion:
    settings: Settings
    scale: EmoDCScale
    paper: dict[str, Any]
    placed: Placed
    backbone_missing: Placed


def study(settings: Settings, placed: Placed, backbone_missing: Placed) -> Study:
    """Expand the paper at the settings' scale.

    ``placed`` and ``backbone_missing`` say why a dataset or a backbone cannot be used (None: it can).
    One evaluation per (run, dataset) covers every timestep that any table or figure asks for.
    """
    if settings.config.reading != "paper":
        raise FacetoryError(
            f"config.yaml: reading '{settings.config.reading}': EmoDC has no released code and no corrected "
            "reading; use reading: paper."
        )
    scale = validated(EmoDCScale, settings.scale.emodc, f"{settings.config.scale}.yaml: emodc")
    expansion = _Expansion(settings, scale, paper_file("emodc"), placed, backbone_missing)
    layouts = _layouts(expansion.paper)
    for slot in expansion.paper["slots"]:
        if slot not in settings.scale.slots:
            raise FacetoryError(f"{settings.config.scale}.yaml: slots: EmoDC's slot '{slot}' has no dataset.")
    demands: dict[tuple[str, str], set[int]] = {}
    for layout in layouts.values():
        for request in layout["requests"]:
            if "mean_of" not in request:
                key = (_model_key(request, expansion), settings.dataset_of(request["slot"]))
                demands.setdefault(key, set()).update(_timesteps(request, expansion) or ())
    result = Study(settings)
    for name, layout in layouts.items():
        cells = _cells(layout["requests"], name, expansion, demands, result)
        result.plans[f"emodc_{name}"] = Plan(
            name=f"emodc_{name}",
            paper="emodc",
            title=layout["title"],
            source=layout["source"],
            scale=settings.config.scale,
            reading=settings.config.reading,
            cells=tuple(cells),
        )
    return result


def _layouts(paper: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Tables, figures and ablations by name, each with its title, source and cell requests."""
    layouts: dict[str, dict[str, Any]] = {}
    for name, table in {**paper["tables"], **paper["figures"]}.items():
        cells = panel_requests(table) if "panels" in table else requests(table, f"emodc.yaml: {name}")
        layouts[name] = {"title": table["title"], "source": table["source"], "requests": list(cells)}
    for name, ablation in paper["ablations"].items():
        table = layouts[ablation["table"]]
        chosen = [request for request in table["requests"] if request["row"] in ablation["rows"]]
        for row in ablation["rows"]:
            if row not in {request["row"] for request in chosen}:
                known = {request["row"] for request in table["requests"]}
                raise unknown("row", row, known, f"emodc.yaml: ablations: {name}")
        layouts[f"ablation_{name}"] = {**table, "title": ablation["title"], "requests": chosen}
    return layouts


def _model(request: dict[str, Any], expansion: _Expansion) -> dict[str, Any]:
    """The run's hyper-parameters: the first value of each grid, overridden by the request's own keys."""
    runs = expansion.paper["runs"]
    if request["run"] not in runs:
        raise unknown("run", request["run"], runs, "emodc.yaml")
    grids = runs[request["run"]]
    model = {key: values[0] for key, values in grids.items()}
    for key in MODEL_KEYS & request.keys():
        if key not in grids or request[key] not in grids[key]:
            raise FacetoryError(
                f"emodc.yaml: row '{request['row']}' asks for {key}={request[key]!r}, which run "
                f"'{request['run']}' does not list ({grids.get(key)})."
            )
        model[key] = request[key]
    return model


def _model_key(request: dict[str, Any], expansion: _Expansion) -> str:
    return repr(sorted(_model(request, expansion).items()))


def _timesteps(request: dict[str, Any], expansion: _Expansion) -> tuple[int, ...] | None:
    """The 0-based timesteps a request averages over; None when this scale does not run that many."""
    if "timestep" in request:
        return (paper_timestep(request["timestep"]),) if expansion.scale.sweep else None
    if request["steps"] == 1:
        return evaluation_timesteps(request["run"], 1)
    steps = expansion.scale.grids.get(request["steps"])
    return tuple(grid(steps)) if steps else None


def _cells(
    layout: list[dict[str, Any]],
    name: str,
    expansion: _Expansion,
    demands: dict[tuple[str, str], set[int]],
    result: Study,
) -> list[PlannedCell]:
    cells: dict[str, PlannedCell] = {}
    for request in layout:
        prefix = [f"emodc_{name}", *([request["slot"]] if name == "fig6" else []), request["row"]]
        cell_id = "/".join([*prefix, request["column"]])
        if "mean_of" in request:
            parts = [cells["/".join([*prefix, column])] for column in request["mean_of"]]
            cells[cell_id] = parts[0].model_copy(
                update={
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
            )
        else:
            cells[cell_id] = _cell(request, cell_id, expansion, demands, result)
    return list(cells.values())


def _cell(
    request: dict[str, Any],
    cell_id: str,
    expansion: _Expansion,
    demands: dict[tuple[str, str], set[int]],
    result: Study,
) -> PlannedCell:
    settings, slot = expansion.settings, request["slot"]
    dataset = settings.dataset_of(slot)
    timesteps = _timesteps(request, expansion)
    reason = expansion.placed(dataset) or expansion.backbone_missing(expansion.scale.backbone)
    if timesteps is None:
        grids = ", ".join(map(str, expansion.scale.grids.values()))
        reason = f"scale {settings.config.scale} runs grids of {grids} timesteps, none in place of this one"
    runs, evaluations, budget = [], [], {}
    for seed in settings.scale.seeds:
        train = _train_spec(request, slot, dataset, seed, expansion)
        evaluation = _evaluation(train, dataset, demands[_model_key(request, expansion), dataset], expansion)
        evaluations.append(evaluation.id)
        if train:
            runs.append(train.id)
            budget = {"training_steps": train.steps, "batch_size": train.batch_size}
        if not reason:
            result.evaluations[evaluation.id] = evaluation
            if train:
                result.runs[train.id] = train
    if reason:
        result.missing.setdefault(cell_id, reason)
    return PlannedCell(
        id=cell_id,
        row=request["row"],
        column=request["column"],
        published=request["published"],
        slot=slot,
        slot_title=expansion.paper["slots"][slot]["title"],
        dataset=dataset,
        split=settings.split_of(dataset),
        stand_in=settings.is_stand_in(slot),
        metric=request.get("metric", "accuracy"),
        steps=request.get("steps"),
        grid=len(timesteps) if timesteps else None,
        timestep=request.get("timestep"),
        timesteps=timesteps or (),
        runs=tuple(runs),
        evaluations=tuple(evaluations),
        seeds=settings.scale.seeds,
        budget=budget,
        not_run=reason,
    )


def _train_spec(
    request: dict[str, Any], slot: str, dataset: str, seed: int, expansion: _Expansion
) -> EmoDCTrainSpec | None:
    model, scale, settings = _model(request, expansion), expansion.scale, expansion.settings
    if not model:
        return None
    if slot not in scale.budgets:
        raise FacetoryError(f"{settings.config.scale}.yaml: emodc: budgets: slot '{slot}' has no budget.")
    budget = scale.budgets[slot]
    return EmoDCTrainSpec(
        **model,
        dataset=dataset,
        backbone=scale.backbone,
        px=scale.px,
        steps=budget.steps,
        batch_size=budget.batch_size,
        lr=scale.lr,
        decay=scale.decay,
        precision=scale.precision if settings.device == "cuda" else "no",
        detach_margin=scale.detach_margin,
        lora_rank=scale.lora_rank,
        lora_alpha=scale.lora_alpha,
        lora_targets=scale.lora_targets,
        checkpoint_every=scale.checkpoint_every,
        device=settings.device,
        threads=settings.scale.threads,
        seed=seed,
        reading=settings.config.reading,
    )


def _evaluation(
    train: EmoDCTrainSpec | None, dataset: str, timesteps: set[int], expansion: _Expansion
) -> EmoDCEvalSpec:
    scale, settings = expansion.scale, expansion.settings
    return EmoDCEvalSpec(
        train=train,
        backbone=scale.backbone,
        dataset=dataset,
        split=settings.split_of(dataset),
        px=scale.px if train else scale.zero_shot_px,
        timesteps=tuple(sorted(timesteps)),
        noise_seed=scale.noise_seed,
        batch_size=scale.evaluation_batch_size,
        precision=scale.evaluation_precision if settings.device == "cuda" else "no",
        device=settings.device,
        threads=settings.scale.threads,
    )
