import csv

import numpy as np
import pytest
from facetory.report import drawing

ROWS = [{"x": 1, "value": 2.5, "reason": None}, {"x": 2, "value": None, "reason": "not run"}]


def drawn(stem):
    with drawing.style():
        figure = drawing.sheet(4, 3, "Scale demo. my_$faces$ stands in for RAF-DB B.")
        axes = figure.subplots()
        drawing.curve(axes, [1, 2, 3], [50, None, 60], [40, None, 50], [60, None, 70], "#0072B2", "o", "Base")
        drawing.published_points(axes, [1, 2], [55, None], "#0072B2", "o")
        drawing.title(axes, "m_f of my_$faces$")
        drawing.save(figure, stem, ROWS)
    return figure, axes


def test_equal_figures_are_equal_files_and_nothing_else_is_left(tmp_path):
    for name in ("first", "second"):
        drawn(tmp_path / name / "fig")
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files == ["fig.csv", "fig.pdf", "fig.png"]
    for name in files:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_the_drawn_data_are_written(tmp_path):
    drawn(tmp_path / "fig")
    with (tmp_path / "fig.csv").open() as handle:
        assert list(csv.DictReader(handle)) == [
            {"x": "1", "value": "2.5", "reason": ""},
            {"x": "2", "value": "", "reason": "not run"},
        ]


def test_a_curve_has_a_gap_where_nothing_was_measured(tmp_path):
    _, axes = drawn(tmp_path / "fig")
    line, published = axes.lines
    np.testing.assert_array_equal(line.get_ydata(), [50, np.nan, 60])
    assert published.get_xydata().tolist() == [[1, 55]]
    assert published.get_markerfacecolor() == "none"
    assert published.get_linestyle() == "None"


def test_the_footer_is_on_the_sheet_below_the_axes(tmp_path):
    figure, axes = drawn(tmp_path / "fig")
    (footer,) = figure.texts
    assert footer.get_text() == r"Scale demo. my_\$faces\$ stands in for RAF-DB B."
    assert footer.get_window_extent().y1 < axes.get_tightbbox().y0


def test_interval_bars_stand_at_their_values():
    axes = drawing.sheet(3, 3, "").subplots()
    drawing.intervals(axes, [0, 1, 2], [5, None, 7], [4, None, None], [6, None, None], "#000000", "o")
    drawing.intervals(axes, [3], [9], [8], [11], "#000000", "o", vertical=False)
    assert [line.get_xydata().tolist() for line in axes.lines] == [
        [[0, 4], [0, 6]],
        [[0, 5]],
        [[2, 7]],
        [[8, 3], [11, 3]],
        [[9, 3]],
    ]


@pytest.mark.parametrize("counts", [None, [4, 0]])
def test_a_matrix_prints_its_numbers_and_leaves_absent_classes_blank(counts):
    axes = drawing.sheet(3, 3, "").subplots()
    drawing.matrix(axes, np.array([[75.0, 25.0], [np.nan, np.nan]]), ["Su", "Fe"], counts)
    assert {(text.get_position(), text.get_text()) for text in axes.texts} == {((0, 0), "75"), ((1, 0), "25")}
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == (["Su", "Fe"] if counts is None else ["Su  4", "Fe  0"])


def test_a_panel_that_was_not_run_says_why():
    axes = drawing.sheet(3, 3, "").subplots()
    drawing.not_run(axes, "rafdb_basic not placed: expected data/rafdb_basic/Image/aligned (account)")
    (text,) = axes.texts
    said = " ".join(text.get_text().split())
    assert said == "not run rafdb_basic not placed: expected data/rafdb_basic/Image/aligned (account)"
    assert len(axes.get_xticks()) == 0


def test_arrows_between_boxes_are_straight_and_touch_both():
    left, right = (drawing.Box("", x, y, 4, h, "", "data", "") for x, y, h in ((0, 0, 10), (9, 4, 4)))
    above = drawing.Box("", 2, 20, 10, 3, "", "data", "")
    assert drawing.beside(left, right) == ((4, 6), (9, 6))
    assert drawing.beside(right, left) == ((9, 6), (4, 6))
    assert drawing.beside(left, above) == ((3, 10), (3, 20))
    assert drawing.beside(above, left) == ((3, 20), (3, 10))
