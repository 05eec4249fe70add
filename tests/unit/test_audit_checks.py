"""The audit's checks on small papers: clean tables pass, and what rounding cannot explain is found."""

import pytest
from facetory.pipeline.files import FacetoryError
from facetory.report.audit.checks import findings
from facetory.report.audit.declared import Declared
from facetory.report.audit.finding import audit_of
from facetory.report.audit.granularity import granularity
from facetory.report.audit.numbers import decimals_of, numbers
from facetory.report.audit.recomputed import recomputed
from facetory.report.audit.repeats import coincidences, repeated
from facetory.report.audit.scans import scanned
from facetory.report.audit.statements import stated
from hypothesis import given, settings
from hypothesis import strategies as st

N = 3068
COLUMNS = {"A": {"steps": 1}, "B": {"steps": 10}, "C": {"steps": 100}, "Avg.": {"mean_of": ["A", "B", "C"]}}
RAFDB = {"where": {"slot": "rafdb_basic"}, "n": N, "source": "Section IV-A"}


def paper(rows, columns=COLUMNS, **keys):
    """A paper of one table, whose rows are {label: published values}."""
    own = {label: {"run": label, "published": values} for label, values in rows.items()}
    table = {"title": "T", "source": "Table I", "slot": "rafdb_basic", "columns": columns, "rows": own}
    return {"tables": {"table1": {**table, **keys}}}


def about(**keys):
    """What is declared of it."""
    return Declared(paper="emodc", unit="%", defaults={"metric": "accuracy"}, **keys)


def outcomes(check, file, declared):
    """{finding id without its kind: outcome} of a check."""
    found = check(numbers(file, declared), declared)
    return {finding.id.partition("/emodc_table1/")[2]: finding.outcome for finding in found}


def test_a_share_of_the_samples_passes_and_what_lies_between_two_shares_does_not():
    clean = paper({"base": [55.74, 76.27, 83.67, 71.89]})  # 1710, 2340 and 2567 of 3068
    assert outcomes(granularity, clean, about(counted=[RAFDB])) == {
        "base/A": "consistent",
        "base/B": "consistent",
        "base/C": "consistent",
    }
    changed = paper({"base": [55.75, 76.27, 83.67, 71.89]})
    (found, *_) = granularity(numbers(changed, about()), about(counted=[RAFDB]))
    assert (found.outcome, found.value) == ("inconsistent", "55.75")
    assert found.detail == "1710/3068 = 55.737, 1711/3068 = 55.769; Section IV-A: 3068 samples"


def test_several_counts_are_tried_where_the_paper_states_none():
    counted = [{"where": {"slot": "rafdb_basic"}, "n": {3: "three", 8: "eight"}}]
    found = outcomes(granularity, paper({"a": [33.33, 62.5, 40.0, 45.28]}), about(counted=counted))
    assert found == {"a/A": "consistent", "a/B": "consistent", "a/C": "inconsistent"}


def test_what_is_no_share_or_could_be_any_is_told_once():
    file = paper({"a": [50.0, 50.01, 50.02, 50.01], "b": [50.03, 50.04, 50.05, 50.04]})
    for counted in ([], [{"where": {}, "why": "a time"}], [{"where": {}, "n": 10_000}]):
        (found,) = granularity(numbers(file, about()), about(counted=counted))
        assert found.outcome == "not checkable" and found.detail
    quoted = paper({"a": [50.0, 50.01, 50.02, 50.01]})
    quoted["tables"]["table1"]["rows"]["a"]["quoted"] = True
    (found,) = granularity(numbers(quoted, about()), about(counted=[RAFDB]))
    assert found.outcome == "not checkable" and "literature" in found.detail


def test_trailing_zeros_do_not_make_a_column_coarser():
    columns = {"x": {"metric": "f1 x"}, "y": {"metric": "f1 y"}, "ms": {"metric": "time"}}
    found = numbers(paper({"a": [0.4, 0.25, 3.1]}, columns), about())
    assert [number.printed for number in found] == ["0.40", "0.25", "3.1"]
    assert decimals_of([61.0, 63.46]) == 2 and decimals_of([113]) == 0 and decimals_of([1e-4]) == 4


def test_an_average_may_be_off_by_rounding_and_no_more():
    # 1.005, 2.005 and 3.005 print as 1.00, 2.00 and 3.00 rounding half to even, their mean half up as 2.01.
    rows = {"a": [1.00, 2.00, 3.00, 2.01], "b": [1.01, 2.02, 3.03, 2.04], "c": [1.01, 2.02, 3.03, 2.02]}
    assert outcomes(recomputed, paper(rows), about()) == {
        "a/Avg.": "consistent",
        "b/Avg.": "inconsistent",
        "c/Avg.": "consistent",
    }


def test_a_declared_formula_is_tried_at_the_corners_of_what_rounding_leaves():
    columns = {"ms": {"metric": "time"}, "FPS": {"metric": "rate"}}
    formula = [{"tables": ["table1"], "column": "FPS", "of": '1000 / row["ms"]'}]
    rows = {
        "slow": [143.0, 7],
        "fast": [5.2, 192],
        "off": [5.3, 192],
    }  # 1000/5.25 = 190.5, and 191.5 would do
    found = outcomes(recomputed, paper(rows, columns), about(formulas=formula))
    assert found == {"slow/FPS": "consistent", "fast/FPS": "consistent", "off/FPS": "inconsistent"}


def test_a_difference_from_another_row_and_the_mean_of_other_metrics():
    columns = {"F1": {"metric": "f1"}, "x": {"metric": "f1 x"}, "y": {"metric": "f1 y"}, "Δ": {"metric": "d"}}
    formulas = [
        {"tables": ["table1"], "column": "Δ", "of": 'row["F1"] - cell["a", "F1"]'},
        {"tables": ["table1"], "column": "F1", "of": 'mean(metric["f1 x"], metric["f1 y"])'},
    ]
    rows = {"a": [0.50, 0.40, 0.60, None], "b": [0.46, 0.40, 0.51, -0.04], "c": [0.40, 0.40, 0.45, 0.10]}
    found = outcomes(recomputed, paper(rows, columns), about(formulas=formulas))
    assert [found[f"{row}/F1"] for row in "abc"] == ["consistent", "consistent", "inconsistent"]
    assert [found[f"{row}/Δ"] for row in "bc"] == ["consistent", "inconsistent"]
    lacking = paper({"a": [0.5, None, 0.6, None]}, columns)
    assert outcomes(recomputed, lacking, about(formulas=formulas)) == {"a/F1": "not checkable"}


def test_one_quantity_with_two_values_is_found_across_tables_and_defaults():
    file = paper({"amdit": [89.18, 89.83, 90.12, 89.71]})
    file["runs"] = {"amdit": {"alpha": [0.01, 0.05]}}
    one = {"title": "T", "source": "Table II", "columns": {"x": {"steps": 100, "slot": "rafdb_basic"}}}
    again = {"run": "amdit", "alpha": 0.01, "published": [90.12]}
    file["tables"]["table2"] = {**one, "rows": {"AMDiT": again, "other": {**again, "alpha": 0.05}}}
    (found,) = repeated(numbers(file, about()))
    assert (found.outcome, found.detail) == ("consistent", "90.12 in Table I, Table II")
    again["published"] = [90.10]
    (found,) = repeated(numbers(file, about()))
    assert (found.outcome, found.detail) == ("inconsistent", "90.12 in Table I; 90.10 in Table II")
    assert found.evidence == ["emodc_table1/amdit/C", "emodc_table2/AMDiT/x"]


def test_rows_that_share_unlikely_many_values_are_told_with_what_chance_would_make():
    rows = {
        "a": [56.71, 77.71, 84.45, 72.96],
        "b": [56.71, 77.90, 84.45, 73.02],
        "c": [89.18, 89.83, 90.12, 89.71],
    }
    (found,) = coincidences(numbers(paper(rows), about()), about(counted=[RAFDB]))
    assert found.outcome == "inconsistent"
    # Three pairs; A spans 32.47 and C 5.67 points in steps of 1/3068.
    assert f"by chance {3 / (997 * 175):.1g} such pairs" in found.detail
    few = {label: [round(v / 30) for v in values] for label, values in rows.items()}
    assert {f.outcome for f in coincidences(numbers(paper(few), about()), about())} == {"consistent"}


def test_a_statement_is_evaluated_over_the_printed_cells():
    said = {"text": "…", "source": "Section I"}
    statements = [
        {"id": "holds", "check": 'table1["a", "A"] < 2 and all(table1[:, "B"] > 1)', **said},
        {"id": "fails", "check": 'table1["*", ["A", "B"]] < 4', "note": "As printed", **said},
    ]
    file = paper({"a": [1.5, 2.5, None, None], "b": [3.0, 4.0, None, None]})
    holds, fails = stated(numbers(file, about()), about(statements=statements))
    assert (holds.outcome, holds.detail) == ("consistent", "")
    assert (fails.outcome, fails.detail) == ("inconsistent", "does not hold: 4 < 4. As printed")
    assert fails.evidence == [f"emodc_table1/{row}/{column}" for row in "ab" for column in "AB"]
    wrong = about(statements=[{"id": "w", "check": 'table1["c", "A"] < 1', **said}])
    with pytest.raises(FacetoryError, match=r"emodc.yaml: statements: w: table1: row: unknown label 'c'"):
        list(stated(numbers(file, wrong), wrong))


def test_what_a_scan_shows_is_refuted_by_the_average_or_left_open():
    mark = {"row": "a", "column": "A", "printed": 1.41, "why": "a 7 that looks like a 4"}
    letter = {"row": "a", "column": "B", "printed": "2.O", "why": "a letter"}
    file = paper({"a": [1.71, 2.02, 3.03, 2.25]}, scans=[mark, letter])
    number, text = scanned(numbers(file, about()), file, about())
    assert (number.outcome, number.value) == ("inconsistent", "1.41")
    assert number.detail.endswith("listed as 1.71: a 7 that looks like a 4")
    assert (text.outcome, text.value) == ("not checkable", "2.O")
    as_listed = paper({"a": [1.71, 2.02, 3.03, 2.25]}, scans=[{**mark, "printed": 1.71}])
    assert list(scanned(numbers(as_listed, about()), as_listed, about())) == []


def test_two_findings_of_one_name_are_refused():
    (found,) = granularity(numbers(paper({"a": [1.0, 2.0, 3.0, 2.0]}), about()), about())
    with pytest.raises(ValueError, match="two findings are called granularity/"):
        audit_of([found, found])


counts = st.lists(st.integers(N // 10, N), min_size=3, max_size=3)
tables = st.dictionaries(st.sampled_from("abcd"), counts, min_size=2)


def printed(table):
    """A clean table: each row's shares and their mean, in percent with two decimals; one row shows both."""
    table = {**table, "known": [1710, 2340, 2567]}
    return {
        row: [*(round(100 * k / N, 2) for k in ks), round(100 * sum(ks) / N / 3, 2)]
        for row, ks in table.items()
    }


def inconsistent(rows):
    """The rows with an inconsistent share or average."""
    file, declared = paper(rows), about(counted=[RAFDB])
    found = [*granularity(numbers(file, declared), declared), *recomputed(numbers(file, declared), declared)]
    return {finding.row for finding in found if finding.outcome == "inconsistent"}


@settings(max_examples=50, deadline=None)
@given(tables)
def test_a_clean_table_is_not_flagged(table):
    assert inconsistent(printed(table)) == set()
    found = findings(paper(printed(table)), about(counted=[RAFDB]))
    assert {f.outcome for f in found if "coincidence" not in f.id} == {"consistent"}


@settings(deadline=None)
@given(tables, st.data())
def test_a_digit_that_is_changed_beyond_rounding_is_flagged(table, data):
    rows = printed(table)
    row, column = data.draw(st.sampled_from(sorted(table))), data.draw(st.integers(0, 3))
    text = f"{rows[row][column]:05.2f}"
    places = [i for i, digit in enumerate(text) if digit != "."]
    if data.draw(st.booleans(), "swap"):
        i, j = data.draw(st.lists(st.sampled_from(places), min_size=2, max_size=2, unique=True))
        digits = [*text]
        digits[i], digits[j] = text[j], text[i]
        changed = "".join(digits)
    else:
        i = data.draw(st.sampled_from(places[:-1]))  # hundredths can hide in rounding
        changed = text[:i] + data.draw(st.sampled_from("0123456789")) + text[i + 1 :]
    rows[row][column] = float(changed)
    assert inconsistent(rows) == ({row} if changed != text else set())
