"""Verdicts on intervals: what no widening may do, several comparisons at once, and the power there was."""

import math
from statistics import NormalDist

import pytest
from facetory.report.claims.judge import Finding, states, verdict, widening
from facetory.report.claims.parts import Group, Part, Side
from facetory.report.claims.power import detectable, power
from hypothesis import assume, given, settings
from hypothesis import strategies as st

numbers = st.floats(-100, 100).map(lambda x: round(x, 3))
widths = st.floats(0, 50).map(lambda x: round(x, 3))
slow = settings(deadline=None)


def side(name):
    return Side(((name, 1.0),), 0.0, name)


def part(a, b, margin=0.0, strict=True):
    return Part(side(a), side(b), margin, strict)


def judged(node, intervals, **options):
    """The verdict where each part has (value, down, up)."""
    findings = {p: Finding(p, value=v, low=v - down, high=v + up) for p, (v, down, up) in intervals.items()}
    return verdict(node, states(node, findings, **options), findings)


AB, AC = part("a", "b"), part("a", "c")


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((2, 1, 1), "holds"),
        ((-2, 1, 1), "fails"),
        ((0.5, 1, 1), "inconclusive"),
        ((1, 1, 1), "inconclusive"),
        ((0, 0, 0), "fails"),
        ((5, math.inf, math.inf), "inconclusive"),
    ],
)
def test_an_interval_above_holds_one_below_fails_and_one_across_is_open(interval, expected):
    assert judged(AB, {AB: interval}) == expected


def test_a_margin_is_reached_where_the_claim_says_at_least():
    wanted = part("a", "b", margin=2, strict=False)
    assert judged(wanted, {wanted: (2, 0, 0)}) == "holds"
    assert judged(wanted, {wanted: (2, 0.1, 0.1)}) == "inconclusive"
    assert judged(wanted, {wanted: (1.5, 0.1, 0.1)}) == "fails"


def test_the_direction_of_a_comparison_of_cells_needs_no_margin():
    wanted = part("a", "b", margin=2, strict=False)
    assert judged(wanted, {wanted: (1.5, 0.1, 0.1)}, directions=True) == "holds"
    assert judged(wanted, {wanted: (0, 0, 0)}, directions=True) == "fails"
    absolute = Part(side("a"), Side((), 0.99, "0.99"), 0.0)
    assert judged(absolute, {absolute: (-0.5, 0.1, 0.1)}, directions=True) == "fails"


@slow
@given(numbers, widths, widths, st.floats(1, 5), st.booleans())
def test_widening_never_turns_one_verdict_into_the_other(value, down, up, factor, any_):
    node = Group("any" if any_ else "all", (AB, AC))
    first = judged(node, {AB: (value, down, up), AC: (value, down, up)})
    wider = judged(node, {AB: (value, down * factor, up * factor + 0.1), AC: (value, down, up)})
    assert {first, wider} != {"holds", "fails"}


@slow
@given(numbers, widths, widths)
def test_exchanging_the_sides_exchanges_the_verdict(value, down, up):
    assume(value - down != 0 and value + up != 0)
    there, back = part("a", "b"), part("b", "a")
    opposite = {"holds": "fails", "fails": "holds", "inconclusive": "inconclusive"}
    found = judged(there, {there: (value, down, up)})
    assert judged(back, {back: (-value, up, down)}) == opposite[found]


def test_a_failure_among_many_needs_more_than_one_alone():
    """−2.2 standard errors are beyond 5 % alone, and not among ten."""
    parts = [part("a", str(i)) for i in range(10)]
    se = 1 / 1.959964
    intervals = dict.fromkeys(parts, (10, 1, 1)) | {parts[0]: (-2.2 * se, 1, 1)}
    assert judged(parts[0], {parts[0]: intervals[parts[0]]}) == "fails"
    assert judged(Group("all", tuple(parts)), intervals) == "inconclusive"
    intervals[parts[0]] = (-3 * se, 1, 1)
    assert judged(Group("all", tuple(parts)), intervals) == "fails"


def test_a_conjunction_holds_at_each_parts_own_interval_and_an_alternative_does_not():
    parts = tuple(part("a", str(i)) for i in range(10))
    se = 1 / 1.959964
    intervals = dict.fromkeys(parts, (2.2 * se, 1, 1))
    assert judged(Group("all", parts), intervals) == "holds"
    assert judged(Group("any", parts), intervals) == "inconclusive"


def test_the_widening_is_bonferronis():
    assert widening(1) == pytest.approx(1)
    assert widening(5) * 1.959964 == pytest.approx(NormalDist().inv_cdf(0.995))


def test_most_is_more_than_half():
    parts = tuple(part("a", str(i)) for i in range(4))
    good, bad, unsure = (9, 1, 1), (-9, 1, 1), (0, 1, 1)
    node = Group("most", parts)
    for given_, expected in (
        ((good, good, good, unsure), "holds"),
        ((good, good, bad, bad), "fails"),
        ((good, good, bad, unsure), "inconclusive"),
    ):
        assert judged(node, dict(zip(parts, given_, strict=True))) == expected


@slow
@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 50))
def test_power_is_a_probability_that_grows_with_the_difference(distance, more, error):
    small, large = power(distance, error), power(distance + more, error)
    assert 0 <= small <= large <= 1
    assert power(-distance, error) == small


def test_power_by_hand():
    assert power(0, 1) == pytest.approx(0.025)
    assert power(1.959964, 1) == pytest.approx(0.5)
    assert power(detectable(3.0), 3.0) == pytest.approx(0.8)
    assert power(1, math.inf) == pytest.approx(0.025)
    assert (power(1, 0), power(0, 0)) == (1, 0)
