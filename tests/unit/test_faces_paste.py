"""A face put back where it was cut: the photograph around it untouched, the place the same to the pixel."""

import numpy as np
import pytest
from facetory.faces.crop import crop
from facetory.faces.paste import paste


def photograph(height=60, width=80):
    """Smooth enough that cutting and pasting may resample it."""
    y, x = np.mgrid[:height, :width]
    return np.stack([2 * x, 3 * y, x + y], axis=2).astype(np.uint8)


@pytest.mark.parametrize("box", [(20, 10, 52, 42), (20.3, 10.6, 52.3, 42.6), (10, 5, 58, 53)])
def test_what_was_cut_goes_back_where_it_was(box):
    picture, box = photograph(), np.array(box, float)
    pasted = paste(picture, crop(picture, box, 32), box)
    assert np.abs(pasted.astype(int) - picture).max() <= 4


@pytest.mark.parametrize("box", [(-12, -20, 36, 28), (50, 30, 98, 78)])
def test_a_square_may_leave_the_photograph(box):
    picture, box = photograph(), np.array(box, float)
    pasted = paste(picture, crop(picture, box, 64), box)
    assert pasted.shape == picture.shape and np.abs(pasted.astype(int) - picture).max() <= 4


def test_only_the_square_changes_and_its_middle_is_the_face():
    picture, box = photograph(), np.array([20.0, 10.0, 60.0, 50.0])
    red = np.full((16, 16, 3), (255, 0, 0), dtype=np.uint8)
    pasted = paste(picture, red, box, soft=0.1)
    assert (pasted[20:40, 30:50] == (255, 0, 0)).all()
    outside = np.ones(picture.shape[:2], bool)
    outside[10:50, 20:60] = False
    assert np.array_equal(pasted[outside], picture[outside])
    assert not np.array_equal(pasted, picture)


def test_the_edge_is_soft():
    """No step between neighbouring pixels is larger than a share of the contrast."""
    black, box = np.zeros((60, 60, 3), np.uint8), np.array([10.0, 10.0, 50.0, 50.0])
    white = np.full((20, 20, 3), 255, np.uint8)
    soft = paste(black, white, box, soft=0.25)[30, :, 0].astype(int)
    hard = paste(black, white, box, soft=0)[30, :, 0].astype(int)
    assert np.abs(np.diff(soft)).max() < 60 and np.abs(np.diff(hard)).max() == 255
    assert (np.diff(soft[:30]) >= 0).all() and (np.diff(soft[30:]) <= 0).all()


def test_a_square_beside_the_photograph_changes_nothing():
    picture = photograph()
    pasted = paste(picture, np.zeros((8, 8, 3), np.uint8), np.array([200.0, 0.0, 220.0, 20.0]))
    assert np.array_equal(pasted, picture)
