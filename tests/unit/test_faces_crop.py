"""Choosing a face, cutting the square, and what the ledger says of both."""

import numpy as np
import pytest
from drawn import EYES, face
from facetory.faces.crop import POINTS, Alignment, align_image, choose, crop, square
from facetory.faces.mtcnn import Faces
from hypothesis import given
from hypothesis import strategies as st

RNG = np.random.default_rng(0)


def faces(*boxes_and_probabilities):
    boxes = np.array([box for box, _ in boxes_and_probabilities], dtype=float).reshape(-1, 4)
    probabilities = np.array([p for _, p in boxes_and_probabilities])
    return Faces(boxes, probabilities, np.zeros((len(boxes), 5, 2)))


THREE = faces(((0, 0, 40, 40), 0.95), ((45, 45, 55, 55), 0.91), ((80, 80, 100, 100), 0.99))


@pytest.mark.parametrize(("selection", "chosen"), [("largest", 0), ("most_central", 1), ("most_probable", 2)])
def test_each_selection_chooses_by_its_name(selection, chosen):
    assert choose(THREE, (100, 100, 3), selection, 0.9) == chosen


def test_improbable_faces_are_not_chosen():
    assert choose(THREE, (100, 100, 3), "largest", 0.96) == 2
    assert choose(THREE, (100, 100, 3), "largest", 0.995) is None
    assert choose(faces(), (100, 100, 3), "largest", 0.0) is None


def test_of_equally_large_faces_the_more_probable_is_chosen():
    pair = faces(((0, 0, 10, 10), 0.92), ((20, 20, 30, 30), 0.97))
    assert choose(pair, (50, 50, 3), "largest", 0.9) == 1


boxes = st.tuples(st.floats(-50, 150), st.floats(-50, 90), st.floats(10, 120), st.floats(10, 120)).map(
    lambda t: np.array([t[0], t[1], t[0] + t[2], t[1] + t[3]])
)


@given(boxes, st.integers(20, 160), st.integers(20, 160), st.floats(0, 1))
def test_the_square_is_square_about_the_visible_box(box, height, width, margin):
    visible = box.clip(0, [width, height, width, height])
    cut = square(box, (height, width, 3), margin)
    side = cut[2:] - cut[:2]
    assert side[0] == pytest.approx(side[1])
    np.testing.assert_allclose(cut[:2] + cut[2:], visible[:2] + visible[2:])
    expected = (visible[2:] - visible[:2]).max() * (1 + margin)
    assert side[0] == pytest.approx(min(expected, max(height, width)))


@given(st.integers(0, 12), st.integers(0, 8), st.integers(1, 8))
def test_a_crop_at_its_own_size_is_the_slice(x, y, px):
    image = RNG.integers(0, 256, (16, 20, 3), dtype=np.uint8)
    cut = crop(image, np.array([x, y, x + px, y + px], dtype=float), px)
    np.testing.assert_array_equal(cut, image[y : y + px, x : x + px])


def test_beyond_the_edges_the_edge_pixels_are_repeated():
    image = RNG.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    cut = crop(image, np.array([-2.0, -2.0, 6.0, 6.0]), 8)
    np.testing.assert_array_equal(cut, np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="edge"))


def test_a_large_picture_is_averaged_not_sampled():
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    small = crop(stripes, np.array([0.0, 0.0, 64.0, 64.0]), 8)
    assert small.min() > 110 and small.max() < 145


@pytest.mark.parametrize("px", [64, 128])
def test_an_aligned_face_has_its_eyes_where_the_ledger_says(px):
    source = face(200, ((0.4, 0.55, 0.5),))
    aligned, row = align_image(source, Alignment(align_px=px))
    assert aligned.shape == (px, px, 3) and aligned.dtype == np.uint8
    assert row["status"] == "aligned" and row["faces"] == 1 and float(row["probability"]) > 0.9
    x0, y0, x1, y1 = (float(row[key]) for key in ("x0", "y0", "x1", "y1"))
    for name, (dx, dy) in zip(("left_eye", "right_eye"), EYES, strict=True):
        drawn = np.array([0.4 + 0.5 * dx, 0.55 + 0.5 * dy]) * 200
        expected = (drawn - [x0, y0]) / [x1 - x0, y1 - y0] * px
        found = [float(row[f"{name}_x"]), float(row[f"{name}_y"])]
        np.testing.assert_allclose(found, expected, atol=0.04 * px)
        around = aligned[round(expected[1]) - 2 : round(expected[1]) + 3, round(expected[0]) - 2 :][:, :5]
        assert around.min() < 120


def test_a_larger_margin_takes_in_more():
    tight, wide = (align_image(face(200), Alignment(128, margin))[1] for margin in (0.0, 0.4))
    side = [float(row["x1"]) - float(row["x0"]) for row in (tight, wide)]
    assert side[1] == pytest.approx(1.4 * side[0], rel=0.01)


def test_of_two_faces_the_selection_decides():
    pair = face(240, ((0.27, 0.5, 0.5), (0.78, 0.45, 0.35)))
    largest = align_image(pair, Alignment(64, selection="largest"))[1]
    central = align_image(
        face(240, ((0.2, 0.5, 0.42), (0.6, 0.5, 0.3))), Alignment(64, selection="most_central")
    )[1]
    middle = [(float(row["x0"]) + float(row["x1"])) / 2 / 240 for row in (largest, central)]
    assert middle == [pytest.approx(0.27, abs=0.04), pytest.approx(0.6, abs=0.04)]
    assert largest["faces"] == 2


def test_without_a_face_the_picture_is_kept_whole_and_flagged():
    image = np.zeros((30, 50, 3), dtype=np.uint8)
    image[:, :25] = 200
    whole, row = align_image(image, Alignment(align_px=50))
    assert row["status"] == "kept_whole" and row["faces"] == 0 and row["probability"] == "0.00000"
    assert [row[key] for key in ("x0", "y0", "x1", "y1")] == ["0.00", "-10.00", "50.00", "40.00"]
    assert all(row[point] == "" for point in POINTS)
    assert (whole[:, :24] == 200).all() and (whole[:, 26:] == 0).all()


def test_a_face_below_the_least_probability_is_kept_whole_with_its_probability():
    row = align_image(face(96), Alignment(64, min_probability=0.999999))[1]
    assert row["status"] == "kept_whole" and row["faces"] == 0
    assert 0.9 < float(row["probability"]) < 0.999999


def test_pictures_that_come_aligned_stay_whole_and_no_face_is_looked_for(monkeypatch):
    monkeypatch.setattr("facetory.faces.mtcnn.find_faces", lambda *_: pytest.fail("looked for a face"))
    picture = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    whole, row = align_image(picture, Alignment(align_px=8, selection="none"))
    assert np.array_equal(whole, picture)
    assert row["status"] == "aligned" and row["probability"] == "" and row["nose_x"] == ""
