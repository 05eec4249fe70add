"""The tables that train a model again: what they ask for, and that they rename and enlarge nothing else."""

import pytest
from facetory.affectdiff.registry import study as affectdiff
from facetory.emodc.registry import study as emodc
from facetory.emodc.spec import EmoDCTrainSpec
from facetory.pipeline.config import load_settings
from facetory.pipeline.registry import paper_file

ROWS = ["First run", "Same seed again", "Another seed"]


def nothing_missing(_):
    return None


def of(study, seeds=(0,)):
    settings = load_settings({"scale": "demo"})
    scale = settings.scale.model_copy(update={"seeds": seeds})
    return study(settings.model_copy(update={"scale": scale}), nothing_missing, nothing_missing)


def cells_of(study, plan):
    cells = study.plans[plan].cells
    assert list(dict.fromkeys(cell.row for cell in cells)) == ROWS
    assert all(cell.ours and cell.published is None and not cell.not_run for cell in cells)
    return {(cell.row, cell.column): cell for cell in cells}


def runs_of(cells, column, specs):
    runs = {row: cells[row, column].runs for row in ROWS}
    assert all(len(ids) == 1 for ids in runs.values())
    return [specs[runs[row][0]] for row in ROWS]


def test_a_run_that_is_not_repeated_keeps_its_name():
    run = EmoDCTrainSpec(dataset="faces", backbone="demo", px=64, loss="base", steps=1)
    assert "repeat" not in run.canonical()
    assert run.model_copy(update={"repeat": 1}).id != run.id


def test_emodcs_three_runs_differ_by_turn_and_seed_alone():
    study = of(emodc)
    first, again, other = runs_of(cells_of(study, "emodc_stability"), "10-step", study.runs)
    assert again == first.model_copy(update={"repeat": 1})
    assert other == first.model_copy(update={"seed": 1})
    assert first.id in {run for cell in study.plans["emodc_table3"].cells for run in cell.runs}


def test_emodcs_repeated_runs_are_evaluated_on_what_the_table_shows_alone():
    study = of(emodc)
    cells = cells_of(study, "emodc_stability")
    shown = {t for column in ("1-step", "10-step") for t in cells["First run", column].timesteps}
    for row in ROWS[1:]:
        (evaluation,) = {e for column in ("1-step", "10-step") for e in cells[row, column].evaluations}
        assert set(study.evaluations[evaluation].timesteps) == shown
    (usual,) = cells["First run", "10-step"].evaluations
    assert set(study.evaluations[usual].timesteps) > shown


def test_without_emodcs_table_everything_else_is_named_as_with_it(monkeypatch):
    paper = paper_file("emodc")
    del paper["tables"]["stability"]
    whole = of(emodc)
    monkeypatch.setattr("facetory.emodc.registry.paper_file", lambda _: paper)
    without = of(emodc)
    assert without.evaluations.keys() < whole.evaluations.keys()
    assert len(whole.runs) - len(without.runs) == len(whole.evaluations) - len(without.evaluations) == 2
    assert all(whole.plans[name] == plan for name, plan in without.plans.items())


def test_another_seed_is_one_of_the_scales_own_where_it_has_several():
    study = of(emodc, seeds=(0, 1))
    cells = cells_of(study, "emodc_stability")
    assert [cells[row, "10-step"].seeds for row in ROWS] == [(0,), (0,), (1,)]
    table3 = next(
        c
        for c in study.plans["emodc_table3"].cells
        if c.runs
        == tuple(
            study.runs[run].id for run in (*cells[ROWS[0], "10-step"].runs, *cells[ROWS[2], "10-step"].runs)
        )
    )
    assert table3.evaluations[1] == cells["Another seed", "10-step"].evaluations[0]


@pytest.mark.parametrize("column", ["Val-BalAcc", "F1"])
def test_affect_diffs_three_runs_differ_by_turn_and_seed_alone(column):
    study = of(affectdiff)
    first, again, other = runs_of(cells_of(study, "affectdiff_stability"), column, study.recognizers)
    assert again == first.model_copy(update={"repeat": 1})
    assert other == first.model_copy(update={"seed": first.seed + 1})
    main = {run for cell in study.plans["affectdiff_table2"].cells for run in cell.runs}
    assert {first.id, other.id} < main and again.id not in main
