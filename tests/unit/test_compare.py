"""Two results cell by cell, and the commands around it."""

import json

import pytest
import reviewed
from facetory.cli.main import app
from facetory.pipeline.files import FacetoryError, read_json, write_json
from facetory.report.archive import write_archive
from facetory.report.cells import Cell, CellTable
from facetory.report.compared import compare, overlap
from facetory.report.made import made
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner


def cell(row="r", value=50.0, low=45.0, high=55.0, **changes) -> Cell:
    about = {
        "id": f"t/{row}/c",
        "row": row,
        "column": "c",
        "status": "not_comparable",
        "n": 10,
        "metric": "m",
    }
    about |= {"value": value, "ci_low": low, "ci_high": high, "command": "snakemake t", "reading": "paper"}
    return Cell(**about | changes)


def tables(*cells: Cell) -> dict[str, CellTable]:
    about = {"title": "T", "source": "Table 1", "scale": "demo", "reading": "paper"}
    return {"t": CellTable(table="t", cells=list(cells), **about)}


@pytest.mark.parametrize(
    ("other", "outcome", "difference"),
    [
        (cell(), "equal", 0),
        (cell(value=54.0, low=49.0, high=59.0), "within intervals", 4),
        (cell(value=56.0, low=49.0, high=63.0), "differs", 6),
        (cell(value=54.0, low=51.0, high=57.0), "differs", 4),
        (cell(value=50.5, low=None, high=None), "differs", 0.5),
        (cell(n=11), "within intervals", 0),
        (cell(value=None, low=None, high=None, n=None, status="not_run", reason="no data"), "differs", None),
    ],
)
def test_cells_are_equal_within_each_others_intervals_or_apart(other, outcome, difference):
    (pair,) = compare(tables(cell()), tables(other))
    assert (pair.outcome, pair.difference) == (outcome, difference)
    assert pair.address == 't:"r":"c"'


def test_what_differs_besides_the_value_is_said():
    (pair,) = compare(tables(cell()), tables(cell(value=80.0, low=70.0, high=90.0, n=11, dataset="other")))
    assert pair.why == "dataset None and other; n 10 and 11"


def test_what_only_one_has_is_kept():
    pairs = compare(tables(cell("a"), cell("b")), tables(cell("b"), cell("c", value=7.0)))
    assert [(pair.address, pair.outcome) for pair in pairs] == [
        ('t:"a":"c"', "only in A"),
        ('t:"b":"c"', "equal"),
        ('t:"c":"c"', "only in B"),
    ]
    assert (pairs[2].a, pairs[2].b, pairs[2].difference) == (None, 7.0, None)


def test_two_cells_that_were_not_run_are_equal():
    unrun = cell(value=None, low=None, high=None, n=None, status="not_run", reason="no data")
    assert [pair.outcome for pair in compare(tables(unrun), tables(unrun))] == ["equal"]


NUMBERS = st.floats(-100, 100)


@given(
    st.lists(NUMBERS, min_size=3, max_size=3).map(sorted),
    st.lists(NUMBERS, min_size=3, max_size=3).map(sorted),
)
def test_agreement_does_not_depend_on_the_order(a, b):
    one, other = cell(low=a[0], value=a[1], high=a[2]), cell(low=b[0], value=b[1], high=b[2])
    assert overlap(one, other) == overlap(other, one) and overlap(one, one)
    if a[2] < b[0]:
        assert not overlap(one, other)


def run(*arguments):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


def test_results_and_an_archive_of_them_are_equal(tmp_path):
    root = reviewed.results(tmp_path / "demo")
    write_archive(root, tmp_path / "demo.zip")
    said = run(root, tmp_path / "demo.zip", "--exit-code")
    assert said.exit_code == 0, said.exception
    assert said.output == "59 equal.\n"  # the ablation counts once, as table and figure it is the same cells

    path = root / "tables" / "emodc_table2.cells.json"
    content = read_json(path)
    content["cells"][0] |= {"value": 10.0, "ci_low": 9.0, "ci_high": 11.0}
    write_json(path, content)
    said = run(tmp_path / "demo.zip", root)
    assert said.exit_code == 0 and "1 differs, 58 equal." in said.output
    assert run(tmp_path / "demo.zip", root, "--exit-code").exit_code == 1
    found = json.loads(run(tmp_path / "demo.zip", root, "--json").output)
    assert found["counts"] == {"differs": 1, "equal": 58}
    assert found["cells"][0]["address"] == reviewed.CELL and found["cells"][0]["b"] == 10.0


def test_a_folder_without_tables_is_an_error(tmp_path):
    with pytest.raises(FacetoryError, match="holds no tables"):
        made(tmp_path)
    assert isinstance(run(tmp_path, tmp_path / "x.zip").exception, FacetoryError)
