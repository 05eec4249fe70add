"""Claims on measured cells: intervals, stand-ins, missing cells, quoted numbers, power, words."""

import math

import pytest
from facetory.metrics.bootstrap import Estimate
from facetory.pipeline.files import FacetoryError
from facetory.report.cells import REHEARSAL, Cell
from facetory.report.claims.claim import Claim, Posed
from facetory.report.claims.ledger import on_cells
from facetory.report.claims.pairing import Paired
from facetory.report.claims.parts import expand
from facetory.report.claims.predicate import Predicate
from facetory.report.claims.printed import PrintedCell

PUBLISHED = {"t/A/x": 64.0, "t/B/x": 60.0, "t/C/x": 58.0}
CATALOGUE = {
    "t": [
        PrintedCell(f"t/{row}/x", row, "x", PUBLISHED.get(f"t/{row}/x"), "measured", False) for row in "ABCQ"
    ]
}


def cell(row, value=None, half=1.0, **changes):
    own = {
        "id": f"t/{row}/x",
        "row": row,
        "column": "x",
        "value": value,
        "ci_low": None if value is None or half is None else value - half,
        "ci_high": None if value is None or half is None else value + half,
        "n": 1000,
        "seeds": [0],
        "status": "new",
        "command": "snakemake t",
        "reading": "paper",
        "metric": "accuracy",
    }
    return Cell.model_validate(own | changes)


def posed(predicate, published=PUBLISHED, **changes):
    claim = Claim(id="c", text="“c”", source="s", predicate=predicate, **changes)
    return Posed("p", claim, expand(Predicate.model_validate(predicate), CATALOGUE), published, [])


def judged(predicate, *cells, pair=None, **changes):
    return on_cells(posed(predicate, **changes), {c.id: c for c in cells}, pair)


A_OVER_B = {"greater": ["t:A:x", "t:B:x"]}


def test_independent_cells_give_the_root_of_their_squared_half_widths():
    found = judged(A_OVER_B, cell("A", 70, 3), cell("B", 60, 4))
    assert (found.verdict, found.value) == ("holds", 10)
    assert (found.ci_low, found.ci_high) == pytest.approx((5, 15))
    assert "taken as independent" in found.detail and "one seed" in found.detail


def test_each_side_of_a_skewed_interval_counts_where_it_hurts():
    skewed = cell("A", 70, ci_low=69.0, ci_high=73.0)
    other = cell("B", 60, ci_low=56.0, ci_high=60.0)
    found = judged(A_OVER_B, skewed, other)
    assert (found.ci_low, found.ci_high) == pytest.approx((9, 15))


def test_the_same_samples_are_compared_pair_by_pair():
    def pair(terms):
        assert terms == {"t/A/x": 1.0, "t/B/x": -1.0}
        return Paired(Estimate(0.02, 0.01, 0.03, 500), (0.02,))

    cells = cell("A", 62, 3), cell("B", 60, 3)
    assert judged(A_OVER_B, *cells).verdict == "inconclusive"
    found = judged(A_OVER_B, *cells, pair=pair)
    assert found.verdict == "holds"
    assert (found.ci_low, found.ci_high) == pytest.approx((1, 3))
    assert "paired bootstrap" in found.detail


def test_what_cannot_be_paired_is_taken_as_independent():
    found = judged(A_OVER_B, cell("A", 70, 3), cell("B", 60, 4), pair=lambda terms: None)
    assert (found.ci_low, found.ci_high) == pytest.approx((5, 15))


def test_tables_older_than_their_records_are_refused():
    def pair(terms):
        return Paired(Estimate(0.05, 0.01, 0.09, 500))

    with pytest.raises(FacetoryError, match="older than the records"):
        judged(A_OVER_B, cell("A", 62), cell("B", 60), pair=pair)


def test_the_spread_over_seeds_widens_the_interval_by_students_t():
    def pair(terms):
        return Paired(Estimate(0.02, 0.01, 0.03, 500), (0.01, 0.03))

    found = judged(A_OVER_B, cell("A", 62), cell("B", 60), pair=pair)
    spread = 12.7062 * math.sqrt(2) / math.sqrt(2)  # t of one degree of freedom, sd √2, two seeds
    assert found.ci_low == pytest.approx(2 - math.hypot(1, spread), abs=1e-3)
    assert "spread over 2 seeds" in found.detail
    alone = judged(A_OVER_B, cell("A", 62, 1, sd=2.0, seeds=[0, 1, 2]), cell("B", 60, 1))
    assert alone.ci_high == pytest.approx(2 + math.sqrt(2 + (4.30265 * 2 / math.sqrt(3)) ** 2), abs=1e-3)


def test_samples_that_agree_everywhere_leave_three_in_n():
    def pair(terms):
        return Paired(Estimate(0.0, 0.0, 0.0, 300), (0.0,))

    found = judged(A_OVER_B, cell("A", 60, n=300), cell("B", 60, n=400), pair=pair)
    assert found.verdict == "inconclusive"
    assert (found.ci_low, found.ci_high) == pytest.approx((-1, 1))
    assert "rule of three" in found.detail


def test_what_was_counted_needs_no_interval():
    counted = cell("A", 9, None), cell("B", 5, None)
    assert judged(A_OVER_B, *counted).verdict == "inconclusive"
    assert judged(A_OVER_B, *counted, exact=True).verdict == "holds"


def test_a_cell_without_an_interval_leaves_a_claim_open():
    found = judged(A_OVER_B, cell("A", 70, None), cell("B", 60))
    assert (found.verdict, found.value, found.ci_low, found.power) == ("inconclusive", 10, None, None)
    assert "Without an interval" in found.detail


def test_the_power_is_of_the_published_difference():
    """Published: 4 points; a standard error of 2 detects them with Φ(4/2 − 1.96)."""
    half = 1.959964 * 2 / math.sqrt(2)
    found = judged(A_OVER_B, cell("A", 61, half), cell("B", 60, half))
    assert found.verdict == "inconclusive"
    assert found.power == pytest.approx(0.516, abs=1e-3)
    assert "52%" in found.detail and "normal approximation" in found.detail


def test_without_a_published_number_the_detectable_difference_is_told():
    half = 1.959964 * 2 / math.sqrt(2)
    found = judged(A_OVER_B, cell("A", 61, half), cell("B", 60, half), published={})
    assert (found.verdict, found.power) == ("inconclusive", None)
    assert "A difference of 5.6 would be seen with a probability of 80%" in found.detail


@pytest.mark.parametrize(
    ("values", "direction"), [((70, 60), "same"), ((60, 70), "opposite"), ((60.5, 60), "unclear")]
)
def test_on_stand_in_data_only_the_direction_is_told(values, direction):
    reason = "anny_basic stands in for RAF-DB B; 240 steps (paper: 30000)"
    cells = [
        cell(row, value, status="not_comparable", stand_in=True, reason=reason)
        for row, value in zip("AB", values, strict=True)
    ]
    found = judged(A_OVER_B, *cells)
    assert (found.verdict, found.direction) == ("not_comparable", direction)
    assert found.detail.count("anny_basic stands in for RAF-DB B") == 1
    assert "240 steps" in found.detail


def test_the_direction_asks_for_no_margin():
    cells = [
        cell(row, v, status="not_comparable", reason="64 px (paper: 256)")
        for row, v in (("A", 64), ("B", 60))
    ]
    found = judged(A_OVER_B | {"by": 6.45}, *cells)
    assert found.direction == "same"
    assert "only the signs" in found.detail


def test_a_row_of_ours_on_a_stand_in_is_no_more_comparable():
    ours = cell("A", 70, stand_in=True, dataset="orl", slot_title="CelebA-HQ")
    found = judged(A_OVER_B, ours, cell("B", 60))
    assert (found.verdict, found.direction) == ("not_comparable", "same")
    assert "orl stands in for CelebA-HQ" in found.detail


def test_a_rehearsals_numbers_point_nowhere():
    cells = [cell(row, v, status="not_comparable", reason=REHEARSAL) for row, v in (("A", 70), ("B", 60))]
    found = judged(A_OVER_B, *cells)
    assert (found.verdict, found.direction) == ("not_comparable", "unclear")


def test_a_cell_that_was_not_run_gives_its_reason():
    lacking = cell("B", status="not_run", reason="rafdb: not placed")
    found = judged(A_OVER_B, cell("A", 70), lacking)
    assert (found.verdict, found.detail) == ("not_run", "rafdb: not placed.")


def test_a_table_that_is_not_there_is_named_with_its_command():
    found = judged(A_OVER_B, cell("A", 70))
    assert found.verdict == "not_run"
    assert "`snakemake t`" in found.detail


def test_what_is_missing_does_not_hide_what_is_decided():
    every = {"greater": ["t:A:x", {"table": "t", "rows": ["B", "C"], "columns": ["x"]}]}
    found = judged(every, cell("A", 50), cell("B", 60))
    assert found.verdict == "fails"
    assert "1 cannot be made" in found.detail
    assert judged(every, cell("A", 70), cell("B", 60)).verdict == "not_run"


def test_a_quoted_number_has_no_interval_and_means_nothing_beside_stand_ins():
    quoted = cell("Q", None, status="quoted", published=66.0)
    claim = {"greater": ["t:A:x", "t:Q:x"]}
    found = judged(claim, cell("A", 70, 2), quoted)
    assert (found.verdict, found.ci_low, found.ci_high) == ("holds", 2, 6)
    apart = cell("A", 70, 2, status="not_comparable", reason="anny_basic stands in for RAF-DB B")
    found = judged(claim, apart, quoted)
    assert (found.verdict, found.direction) == ("not_comparable", "unclear")


def test_several_comparisons_say_how_they_are_taken_together():
    every = {"greater": ["t:A:x", {"table": "t", "rows": ["B", "C"], "columns": ["x"]}]}
    found = judged(every, cell("A", 70), cell("B", 60), cell("C", 50))
    assert found.verdict == "holds"
    assert "All 2 comparisons hold; the closest: A, x (70) against B, x (60)" in found.detail
    assert "Bonferroni" in found.detail
