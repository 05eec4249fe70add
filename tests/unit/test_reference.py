"""The demo's own cells: what is kept of them, and when another run matches."""

import pytest
import reviewed
from facetory.cli.main import app
from facetory.pipeline.files import FacetoryError
from facetory.report.made import made
from facetory.report.reference import against, read_reference, reference_of, write_reference
from test_compare import cell, tables
from typer.testing import CliRunner


def held(known, found):
    return against(reference_of(tables(known)), reference_of(tables(found)))


@pytest.mark.parametrize(
    ("found", "matches", "exact"),
    [
        (cell(), True, True),
        (cell(value=54.9, low=52.0, high=58.0), True, False),
        (cell(value=56.0, low=54.0, high=58.0), True, False),  # the intervals overlap
        (cell(value=58.0, low=55.1, high=60.0), False, False),
        (cell(value=40.0, low=36.0, high=44.9), False, False),
        (cell(value=55.0, low=None, high=None), True, False),
        (cell(value=55.1, low=None, high=None), False, False),
        (cell(n=11), False, False),
        (cell(status="new"), False, False),
        (cell(dataset="other"), False, False),
        (cell(value=None, low=None, high=None, n=None, status="not_run", reason="x"), False, False),
    ],
)
def test_a_cell_matches_inside_the_interval_or_where_intervals_overlap(found, matches, exact):
    result = held(cell(), found)
    assert (result.matching, result.exact, len(result.differing)) == (
        int(matches),
        int(exact),
        int(not matches),
    )


@pytest.mark.parametrize(
    ("value", "matches"), [(10.0, True), (10.9, True), (9.0, True), (11.2, False), (8.8, False)]
)
def test_a_value_without_an_interval_matches_within_a_tenth(value, matches):
    bare = {"low": None, "high": None}
    assert bool(held(cell(value=10.0, **bare), cell(value=value, **bare)).matching) == matches


def test_cells_that_were_not_run_match_by_their_status():
    unrun = cell(value=None, low=None, high=None, n=None, status="not_run", reason="x")
    assert held(unrun, unrun).exact == 1


def test_what_is_missing_or_new_is_named():
    found = against(reference_of(tables(cell("a"), cell("b"))), reference_of(tables(cell("b"), cell("c"))))
    assert found.differing == ['t:"c":"c": not in the reference', 't:"a":"c": not made here']
    assert found.matching == 1


@pytest.mark.parametrize("unit", ["s", "ms", "h", "1/s"])
def test_measured_times_are_left_out(unit):
    kept = reference_of(tables(cell("a"), cell("b", unit=unit)))
    assert [known.row for known in kept.cells] == ["a"]


def test_a_reference_is_a_line_a_cell_and_reads_back(tmp_path):
    own = reference_of(tables(cell("a"), cell("b", value=1 / 3, low=None, high=None, status="new")))
    write_reference(tmp_path / "reference.json", own)
    lines = (tmp_path / "reference.json").read_text().splitlines()
    assert lines[1:] == [
        '["t", "a", "c", 50.0, 45.0, 55.0, 10, "not_comparable", null],',
        '["t", "b", "c", 0.3333333333333333, null, null, 10, "new", null]',
        "]}",
    ]
    assert read_reference(tmp_path / "reference.json") == own
    with pytest.raises(FacetoryError, match="no such reference"):
        read_reference(tmp_path / "other.json")
    (tmp_path / "other.json").write_text('{"scale": "demo", "reading": "paper", "cells": [["t", "a"]]}')
    with pytest.raises(FacetoryError, match=r"other\.json: cells\.0"):
        read_reference(tmp_path / "other.json")


def test_panels_of_a_figure_are_told_apart():
    panels = [cell(id=f"t/{panel}/r/c") for panel in ("one", "two")]
    assert [known.row for known in reference_of(tables(*panels)).cells] == ["one/r", "two/r"]


def test_the_command_says_how_many_cells_match(tmp_path):
    root = reviewed.results(tmp_path / "demo")
    where = tmp_path / "reference.json"
    said = CliRunner().invoke(app, ["reference", str(root), "--write", str(where)])
    assert said.exit_code == 0 and said.output == f"{where}: 55 cells.\n"  # 59, of which 4 are times
    said = CliRunner().invoke(app, ["reference", str(root), "--against", str(where)])
    assert said.output == f"{root} matches the reference: 55 cells, 55 of them bit for bit.\n"

    changed = made(root)
    changed["emodc_table2"].cells[0].n = 7
    write_reference(where, reference_of(changed))
    said = CliRunner().invoke(app, ["reference", str(root), "--against", str(where)])
    assert isinstance(said.exception, FacetoryError)
    assert f"{reviewed.CELL}: n is 44, the reference has 7" in str(said.exception)
    assert "1 cells differ" in str(said.exception) and "54 match" in str(said.exception)


def test_a_reference_of_another_scale_is_refused(tmp_path):
    root = reviewed.results(tmp_path / "demo")
    other = reference_of(made(root)).model_copy(update={"scale": "paper"})
    write_reference(tmp_path / "reference.json", other)
    said = CliRunner().invoke(app, ["reference", str(root), "--against", str(tmp_path / "reference.json")])
    assert isinstance(said.exception, FacetoryError) and "is of scale paper" in str(said.exception)
