"""Published values: every cell has a partner, is ours or says why it has none; marks of doubtful print."""

from collections import defaultdict

import pytest
from facetory.cli.study import load_study
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.registry import PAPERS, paper_file, requests
from facetory.report.audit.declared import declared
from facetory.report.audit.numbers import numbers

TABLE = {
    "slot": "rafdb_basic",
    "unpublished": "drawn, not printed",
    "columns": {"A": {"steps": 1}, "B": {"steps": 10, "ours": True}},
    "rows": {
        "one": {"run": "base", "published": [70.0, None]},
        "two": {"run": "amdit", "published": [71.0, 72.0]},
    },
}
MARK = {"row": "one", "column": "A", "printed": "7O.00", "why": "a letter for a digit"}


def layouts(paper):
    """Every table, figure and ablation of a paper's file by the name of its plan."""
    file = paper_file(paper)
    found = {f"{paper}_{name}": table for name, table in {**file["tables"], **file["figures"]}.items()}
    for name, ablation in file.get("ablations", {}).items():
        table = file["tables"][ablation["table"]] if "table" in ablation else ablation
        found[f"{paper}_ablation_{name}"] = {**file.get("ablation", {}), **table}
    return found


LAYOUTS = {name: layout for paper in PAPERS for name, layout in layouts(paper).items()}


@pytest.fixture(scope="module")
def plans():
    return load_study({"scale": "demo"}).plans


def alone(plan):
    """The cells of a plan that nothing published stands beside, though the paper should have them."""
    return [c.id for c in plan.cells if c.kind == "measured" and c.published is None and not c.ours]


def test_every_cell_has_its_published_partner_or_its_table_says_why_not(plans):
    assert set(plans) == set(LAYOUTS)
    silent = {name: alone(plan) for name, plan in plans.items() if not LAYOUTS[name].get("unpublished")}
    assert {name: cells for name, cells in silent.items() if cells} == {}


def test_no_table_gives_a_reason_that_it_does_not_need(plans):
    given = [name for name, layout in LAYOUTS.items() if layout.get("unpublished")]
    assert given and [name for name in given if not alone(plans[name])] == []


def test_reasons_and_marks_are_no_part_of_a_request():
    asked = list(requests({**TABLE, "scans": [MARK]}, "x.yaml: t"))
    assert {key for request in asked for key in request} == {
        *("slot", "run", "steps", "row", "column", "published", "kind", "ours")
    }


def test_what_has_a_published_value_is_not_ours():
    asked = {(r["row"], r["column"]): r for r in requests(TABLE, "x.yaml: t")}
    assert asked["one", "B"]["ours"] is True and "ours" not in asked["two", "B"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"row": "onn"}, "x.yaml: t: scans: unknown row 'onn'. Known: one, two. Did you mean 'one'?"),
        ({"column": "C"}, "x.yaml: t: scans: unknown column 'C'"),
        ({"reason": "?"}, "x.yaml: t: scans: .*: give column, printed, row, why and nothing else"),
    ],
)
def test_a_mark_of_an_unknown_cell_is_an_error_that_names_file_table_and_row(change, told):
    with pytest.raises(FacetoryError, match=told.replace("?", r"\?")):
        list(requests({**TABLE, "scans": [{**MARK, **change}]}, "x.yaml: t"))


@pytest.mark.parametrize("paper", ["affectdiff", "adaptdiff"])
def test_an_ablation_repeats_the_tables_values(paper):
    file, about = paper_file(paper), declared(paper)
    printed = defaultdict(set)
    for number in numbers(file, about):
        printed[number.quantity].add(number.value)
    again = {name: {**file["ablation"], **own} for name, own in file["ablations"].items()}
    ablated = numbers({"tables": again}, about)
    assert ablated and [n.id for n in ablated if printed[n.quantity] != {n.value}] == []


def test_the_marks_of_adaptdiff_stand_where_the_print_is_doubtful():
    file = paper_file("adaptdiff")["tables"]
    marks = {(n, m["row"], m["column"]): m["printed"] for n in file for m in file[n].get("scans", ())}
    assert marks["table1", "IDiff-Face, 0", "CPLFW"] == 71.57
    assert marks["table2", "FFHQ, IDiff-Face*", "Avg"] == 84.10
    listed = dict(
        zip(file["table1"]["columns"], file["table1"]["rows"]["AdaptDiff, 1.0"]["published"], strict=True)
    )
    swapped = {c: marks["table1", "AdaptDiff, 1.0", c] for c in ("CALFW", "CFP-FP")}
    assert (
        swapped == {"CALFW": listed["CFP-FP"], "CFP-FP": listed["CALFW"]} == {"CALFW": 82.29, "CFP-FP": 88.17}
    )
