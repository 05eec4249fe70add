import pytest
from facetory.pipeline.files import FacetoryError, write_json
from facetory.report.cells import Cell, CellTable, Verdict, differences, judge, read_cells, write_cells
from facetory.report.notes import budgets, footer, legend, reasons

INSIDE, OUTSIDE = (80.0, 90.0), (70.0, 75.0)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"value": 85, "published": 83.67, "interval": INSIDE}, "reproduced"),
        ({"value": 72, "published": 83.67, "interval": OUTSIDE}, "outside"),
        ({"value": 72, "published": 75.005, "interval": OUTSIDE}, "reproduced"),
        ({"value": 72, "published": 75.02, "interval": OUTSIDE}, "outside"),
        ({"value": 72, "published": 76, "interval": OUTSIDE, "tolerance": 1}, "reproduced"),
        ({"value": 83.674, "published": 83.67}, "reproduced"),
        ({"value": 83.68, "published": 83.67}, "outside"),
        ({"value": 85, "published": None}, "new"),
        ({"value": 85, "published": 83.67, "interval": INSIDE, "stand_in": "a for b"}, "not_comparable"),
        ({"value": 85, "published": None, "stand_in": "a for b"}, "not_comparable"),
        (
            {"value": 85, "published": 83.67, "interval": INSIDE, "differences": ["20 steps"]},
            "not_comparable",
        ),
        ({"value": None, "published": 83.67, "not_run": "no data", "stand_in": "a for b"}, "not_run"),
        ({"value": None, "published": 83.67, "kind": "quoted"}, "quoted"),
        (
            {"value": None, "published": None, "kind": "not_applicable", "not_run": "no data"},
            "not_applicable",
        ),
    ],
)
def test_the_first_rule_that_holds_decides(asked, status):
    assert judge(**asked).status == status


def test_a_reason_names_all_that_differs_and_forbids_a_delta():
    verdict = judge(
        50, 90.12, (40, 60), stand_in="a stands in for B", differences=["20 timesteps (paper: 100)"]
    )
    assert verdict.reason == "a stands in for B; 20 timesteps (paper: 100)"
    assert verdict.delta is None
    assert judge(50, 90.12, (40, 60)).delta == pytest.approx(-40.12)


def test_a_missing_value_needs_a_reason():
    with pytest.raises(ValueError, match="reason"):
        judge(None, 90.12)


def test_differences_name_what_ran_and_what_the_paper_had():
    had = {"training_steps": 200, "batch_size": 64, "backbone": "demo", "px": 64}
    stated = {"training_steps": 30_000, "batch_size": 64, "backbone": "SD", "px": None, "split": "test"}
    assert differences(had, stated) == ["200 training steps (paper: 30000)", "backbone demo (paper: SD)"]


def cell(column="1-step", **changes):
    about = {
        "row": "Base",
        "status": "new",
        "command": "snakemake t",
        "reading": "paper",
        "metric": "accuracy",
    }
    return Cell(id=f"t/{column}", column=column, **(about | changes))


def table(*cells):
    return CellTable(table="t", title="T", source="Table I", scale="demo", reading="paper", cells=list(cells))


def test_cells_come_back_as_they_were_written(tmp_path):
    written = table(
        cell(value=1 / 3, ci_low=0.0, ci_high=1.0, budget={"px": 64}), cell("∅", status="not_run")
    )
    write_cells(tmp_path / "t.cells.json", written)
    assert read_cells(tmp_path / "t.cells.json") == written


def test_a_foreign_file_is_named(tmp_path):
    write_json(tmp_path / "t.cells.json", {"table": "t", "cells": []})
    with pytest.raises(FacetoryError, match=r"t\.cells\.json: title"):
        read_cells(tmp_path / "t.cells.json")


def test_notes_tell_stand_ins_timesteps_samples_and_seeds():
    measured = {"value": 1.0, "n": 308, "split": "test", "seeds": [0, 1], "stand_in": True}
    own = {"dataset": "anny", "slot": "rafdb_basic", "slot_title": "RAF-DB B"}
    said = footer(table(cell(**measured, **own, steps=100, grid=20, ci_low=0.5, ci_high=1.5)))
    assert "anny for RAF-DB B" in said
    assert "20 ran where the paper has 100" in said
    assert "308 of anny (test)" in said
    assert "Seeds: 0, 1." in said
    assert "95 %" in said


def test_nothing_is_said_of_stand_ins_where_there_are_none():
    assert "tand-in" not in footer(table(cell(value=1.0, dataset="rafdb", slot="rafdb_basic")))


def test_a_budget_is_told_once_where_it_is_shared():
    cells = [
        cell(slot_title="B", budget={"px": 64}),
        cell(slot_title="B", budget={"px": 64, "training_steps": 200, "batch_size": 64}),
        cell(slot_title="C", budget={"px": 64, "training_steps": 100, "batch_size": 64}),
    ]
    assert budgets(cells) == "Budget: px 64, batch size 64; B: training steps 200; C: training steps 100."


def test_a_budget_names_every_value_that_occurs():
    cells = [cell(slot_title="B", budget={"px": px, "backbone": "SD"}) for px in (512, 256)]
    cells += [cell(slot_title="C", budget={"px": 256, "backbone": "SD"})]
    assert budgets(cells) == "Budget: backbone SD; B: px 512 or 256; C: px 256."
    assert budgets([cell()]) == ""


def test_reasons_get_letters_and_only_statuses_that_occur_are_explained():
    shown = table(*(cell(str(i), status="not_run", reason=f"r{i % 28}") for i in range(56)))
    assert list(reasons(shown).values())[24:28] == ["y", "z", "aa", "ab"]
    assert [status for status, _, _ in legend(shown)] == ["not_run"]


def test_a_row_of_ours_is_new_whatever_stands_in():
    assert judge(50.0, None, stand_in="renders stand in", ours=True) == Verdict("new")
    assert judge(None, None, not_run="no data", ours=True) == Verdict("not_run", "no data")
