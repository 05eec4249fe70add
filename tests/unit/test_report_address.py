"""A cell's address: written, read, found, and what a slip of the pen is told."""

import pytest
from facetory.cli.study import load_study
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.registry import PAPERS
from facetory.report.address import Address, address_of, find, parse
from facetory.report.claims.printed import printed

PLANS = load_study({"scale": "demo"}).plans
TABLES = {name: plan.cells for name, plan in PLANS.items()}


def test_every_cell_of_the_study_has_its_own_address():
    for name, cells in TABLES.items():
        for cell in cells:
            address = address_of(name, cell)
            assert parse(str(address)) == address
            assert find(TABLES, address) == [cell]


@pytest.mark.parametrize(
    "text",
    [
        'emodc_table3:"AMDiT (c_nn = c_p)":"RAF-DB B"',
        "emodc_table3:AMDiT (c_nn = c_p):RAF-DB B",
        ' emodc_table3 : "AMDiT (c_nn = c_p)" : RAF-DB B ',
    ],
)
def test_quotes_may_be_left_to_the_shell(text):
    assert parse(text) == Address("emodc_table3", "AMDiT (c_nn = c_p)", "RAF-DB B")


def test_a_colon_may_stand_in_quotes():
    assert parse('t:"a: b":c').row == "a: b"


@pytest.mark.parametrize("text", ["emodc_table3", "emodc_table3:Base", "a:b:c:d", "a::c"])
def test_what_is_no_address_is_told_the_form(text):
    with pytest.raises(FacetoryError, match="target, row and column"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("emodc_tabel3:CoDiT:RAF-DB B", "emodc_table3"),
        ("emodc_table3:AMDIT (c_nn=c_p):RAF-DB B", "AMDiT (c_nn = c_p)"),
        ("emodc_table3:CoDiT:RAFDB B", "RAF-DB B"),
    ],
)
def test_a_slip_is_told_the_nearest_name(text, near):
    with pytest.raises(FacetoryError, match="Did you mean") as told:
        find(TABLES, parse(text))
    assert f"Did you mean '{near}'" in str(told.value)


def test_a_star_selects_a_row_a_column_or_a_table():
    assert len(find(TABLES, parse("emodc_table2:Acc.:*"))) == 3
    assert len(find(TABLES, parse("emodc_table2:*:∅"))) == 1
    assert len(find(TABLES, parse("emodc_table2:*:*"))) == 3


def test_a_panel_tells_equal_rows_apart():
    cell = find(TABLES, parse("emodc_fig6:sfew/Base:t=400"))[0]
    assert (cell.row, cell.slot) == ("Base", "sfew")


def test_the_printed_cells_are_those_of_the_study():
    for paper in PAPERS:
        for name, cells in printed(paper).items():
            planned = {cell.id: cell for cell in PLANS[name].cells}
            for cell in cells:
                own = planned[cell.id]
                assert (own.row, own.column, own.published) == (cell.row, cell.column, cell.value)
                assert own.ours == cell.ours or cell.kind == "not_applicable"
