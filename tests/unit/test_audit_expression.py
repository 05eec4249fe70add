"""The audit's expressions: arithmetic over printed numbers, and nothing else."""

import numpy as np
import pytest
from facetory.pipeline.files import FacetoryError
from facetory.report.audit.expression import evaluate, failures, fits

BLOCK = np.ma.masked_invalid([[1.0, 2.0], [3.0, np.nan]])
NAMES = {"t": lambda row, column: BLOCK if row is None else float(BLOCK[row, column])}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3 - 4 / 2", 5),
        ("-(2 ** 3)", -8),
        ("t[1, 0] - t[0, 1]", 1),
        ("max(t[:, :])", 3),
        ("min(4, 2, 3)", 2),
        ("mean(t[:, :])", 2),
        ("sum(t[:, :])", 6),
        ("abs(2 - 5)", 3),
        ("all(t[:, :] < 4)", True),
        ("all(t[:, :] < 3)", False),
        ("any(t[:, :] > 2)", True),
        ("1 < 2 and not 3 < 2", True),
        ("t[:, :] < 4 and t[:, :] < 3", False),
        ("t[:, :] < 3 or 1 == 1", True),
        ("near(6.45, 6.4, 0.05)", True),
        ("all(near([1, 2], [1, 3], 0.5))", False),
        ("share_of(33.33, 3, 2)", True),
    ],
)
def test_values(text, value):
    assert evaluate(text, NAMES) == value


@pytest.mark.parametrize(
    "text",
    [
        '__import__("os")',
        'open("x")',
        "t.real",
        "(lambda: 1)()",
        "[x for x in t]",
        "unknown[1]",
        "t",
        "max(t, key=1)",
        "1 if 1 else 2",
        "1 < 2 < 3",
        'f"{1}"',
    ],
)
def test_what_is_no_arithmetic_is_refused_with_what_is_known(text):
    with pytest.raises(
        FacetoryError, match=r"nothing of the kind is known here. Known names: abs, .*share_of"
    ):
        evaluate(text, NAMES)


@pytest.mark.parametrize("text", ["1 / 0", '1 - "x"', "sum(t[0, 0, 0])"])
def test_what_cannot_be_computed_is_quoted(text):
    with pytest.raises(FacetoryError, match="cannot be computed"):
        evaluate(text, NAMES)


def test_what_is_no_expression_is_quoted():
    with pytest.raises(FacetoryError, match="'1 <': not an expression"):
        evaluate("1 <", {})


def test_failures_are_told_in_numbers_and_what_is_not_printed_is_left_out():
    assert failures("t[:, :] < 2", NAMES) == ["2 < 2", "3 < 2"]
    assert failures("near(t[0, 1], 5, 1) and 1 == 1", NAMES) == ["2 near 5"]
    assert failures("t[:, :] < 4", NAMES) == []


@pytest.mark.parametrize(
    ("value", "n", "decimals", "possible"),
    [
        (56.12, 436, 2, False),  # 244/436 = 55.963, 245/436 = 56.193
        (56.19, 436, 2, True),
        (50.12, 800, 2, True),  # 401/800 = 50.125: either way of rounding a half
        (50.13, 800, 2, True),
        (50.14, 800, 2, False),
        (100.0, 3, 2, True),
        (133.33, 3, 2, False),  # more than all of them
    ],
)
def test_a_printed_percentage_is_a_share_of_n_by_either_way_of_rounding(value, n, decimals, possible):
    assert fits(value, n, decimals, 100) is possible
