"""Predicates over printed numbers, by hand: what is compared with what, and what comes out."""

import pytest
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.suggest import validated
from facetory.report.claims.claim import Claim, Posed
from facetory.report.claims.ledger import on_published
from facetory.report.claims.parts import expand, leaves
from facetory.report.claims.predicate import Predicate
from facetory.report.claims.printed import PrintedCell

NUMBERS = {"A": (1.0, 2.0), "B": (3.0, 5.0), "C": (3.0, None)}
CELLS = {
    "t": [
        PrintedCell(f"t/{row}/{column}", row, column, value, "measured", row == "C")
        for row, values in NUMBERS.items()
        for column, value in zip(("x", "y"), values, strict=True)
    ]
}


def rows(*names, columns=("x",)):
    return {"table": "t", "rows": list(names), "columns": list(columns)}


def asked(predicate):
    return expand(validated(Predicate, predicate, "claims"), CELLS)


def verdict(predicate, numbers=None):
    claim = Claim(id="c", text="“c”", source="s", predicate=predicate)
    numbers = numbers or {cell.id: cell.value for cell in CELLS["t"] if cell.value is not None}
    return on_published(Posed("p", claim, asked(predicate), numbers, [])).verdict


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        ({"greater": ["t:B:x", "t:A:x"]}, "holds"),
        ({"greater": ["t:A:x", "t:B:x"]}, "fails"),
        ({"greater": ["t:B:x", "t:C:x"]}, "fails"),
        ({"at_least": ["t:B:x", "t:C:x"]}, "holds"),
        ({"greater": ["t:B:x", "t:A:x"], "by": 2}, "holds"),
        ({"greater": ["t:B:x", "t:A:x"], "by": 2.01}, "fails"),
        ({"greater": ["t:B:y", "t:B:x", "t:A:y", "t:A:x"]}, "holds"),
        ({"greater": ["t:B:y", "t:A:y", "t:B:x"]}, "fails"),
        ({"greater": [5.1, "t:B:y", 4.9]}, "holds"),
        ({"equal": ["t:A:x", "t:A:y"], "within": 1}, "holds"),
        ({"equal": ["t:A:y", "t:A:x"], "within": 0.9}, "fails"),
        ({"greater": [{"minus": ["t:B:y", "t:A:y"]}, {"minus": ["t:B:x", "t:A:x"]}]}, "holds"),
        ({"greater": [{"minus": ["t:B:x", "t:A:x"]}, {"minus": ["t:B:y", "t:A:y"]}]}, "fails"),
        ({"at_least": ["t:B:x", {"times": [3, "t:A:x"]}]}, "holds"),
        ({"at_least": ["t:B:x", {"times": [3.1, "t:A:x"]}]}, "fails"),
        ({"greater": ["t:B:x", rows("A", "C")]}, "fails"),
        ({"any": [{"greater": ["t:A:x", "t:B:x"]}, {"greater": ["t:B:x", "t:A:x"]}]}, "holds"),
        ({"most": [{"greater": ["t:A:x", 0]}, {"greater": ["t:A:x", 2]}]}, "fails"),
        ({"most": [{"greater": ["t:A:x", n]} for n in (0, 0.5, 2)]}, "holds"),
        ({"greater": ["t:C:y", "t:A:x"]}, "not_run"),
        ({"all": [{"greater": ["t:C:y", "t:A:x"]}, {"greater": ["t:A:x", "t:B:x"]}]}, "fails"),
        ({"all": [{"greater": ["t:C:y", "t:A:x"]}, {"greater": ["t:B:x", "t:A:x"]}]}, "not_run"),
        ({"any": [{"greater": ["t:C:y", "t:A:x"]}, {"greater": ["t:B:x", "t:A:x"]}]}, "holds"),
    ],
)
def test_verdicts_by_hand(predicate, expected):
    assert verdict(predicate) == expected


def test_rounding_in_the_last_place_of_a_double_decides_nothing():
    assert 64.49 - 59.63 < 4.86
    claim = {"greater": ["t:B:x", "t:A:x"], "by": 4.86}
    assert verdict(claim, {"t/A/x": 59.63, "t/B/x": 64.49}) == "holds"
    assert verdict(claim, {"t/A/x": 59.63, "t/B/x": 64.48}) == "fails"


def pairs(predicate):
    return [(part.left.text, part.right.text) for part in leaves(asked(predicate))]


def test_selections_meet_along_the_labels_that_they_share():
    both = ("x", "y")
    found = pairs({"greater": [rows("B", columns=both), rows("A", columns=both)]})
    assert found == [("B, x", "A, x"), ("B, y", "A, y")]
    found = pairs({"greater": [rows("A", "B", columns=["x"]), rows("A", "B", columns=["y"])]})
    assert found == [("A, x", "A, y"), ("B, x", "B, y")]


def test_a_row_is_compared_with_each_of_the_others_and_not_with_itself():
    assert pairs({"greater": ["t:A:x", "t:*:x"]}) == [("A, x", "B, x")]  # C is ours
    assert pairs({"greater": ["t:A:x", rows("A", "B", "C")]}) == [("A, x", "B, x"), ("A, x", "C, x")]


@pytest.mark.parametrize(
    ("predicate", "message"),
    [
        ({"greater": ["t:A:x", "t:D:x"]}, "unknown row 'D'"),
        ({"greater": ["t:A:x"]}, "at least 2 items"),
        ({"greater": ["t:A:x", "t:B:x"], "at_least": ["t:A:x", "t:B:x"]}, "exactly one of"),
        ({"larger": ["t:A:x", "t:B:x"]}, "unknown key 'larger'"),
        ({"equal": ["t:A:x", "t:B:x"]}, "'within' belongs to 'equal'"),
        ({"at_least": ["t:A:x", "t:B:x"], "by": 1}, "'by' belongs to 'greater'"),
        ({"greater": ["t:A:x", {"minus": [rows("A", "B"), "t:A:x"]}]}, "selects 2 cells"),
        ({"greater": ["t:A:x", "t:A:x"]}, "nothing to compare"),
    ],
)
def test_a_wrong_predicate_is_told_what_is_wrong(predicate, message):
    with pytest.raises(FacetoryError, match=message):
        asked(predicate)
