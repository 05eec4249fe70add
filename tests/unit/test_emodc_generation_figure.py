import numpy as np
import pytest
from fabricated import cells_of
from facetory.emodc.generation_figure import fig7, measures

CLASSES = ["happiness", "sadness", "angrily_disgusted"]
SCALES = [3.0, 5.0]


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (2, 3, 2, 3, 8, 8), dtype=np.uint8)


def test_fig7_has_a_column_a_class_and_rows_for_each_scale(images):
    figure, rows = fig7(images, CLASSES, SCALES, cells_of(["AMDiT"], ["cfg = 3"]))
    panels = np.reshape(figure.axes, (4, 3))
    for s, k, m in np.ndindex(2, 3, 2):
        drawn = panels[2 * s + m, k].images[0].get_array()
        np.testing.assert_array_equal(drawn, images[s, k, m].transpose(1, 2, 0))
    assert [axes.get_title() for axes in panels[0]] == ["happiness", "sadness", "angrily\ndisgusted"]
    assert [axes.get_ylabel() for axes in panels[:, 0]] == [
        f"cfg = {scale}\nimage {m}" for scale in (3, 5) for m in (1, 2)
    ]
    assert len(rows) == 12
    assert [(row["guidance_scale"], row["class"], row["image"]) for row in rows[5:7]] == [
        (3.0, "angrily_disgusted", 2),
        (5.0, "happiness", 1),
    ]


def test_one_image_a_class_needs_no_number(images):
    figure, _ = fig7(images[:, :, :1], CLASSES, SCALES, cells_of(["AMDiT"], ["cfg = 3"]))
    assert [axes.get_ylabel() for axes in np.reshape(figure.axes, (2, 3))[:, 0]] == ["cfg = 3", "cfg = 5"]


def test_measures_of_images_by_hand():
    images = np.zeros((2, 2, 1, 3, 4, 4), np.uint8)
    images[0, 0, 0, 0] = 60
    images[1, 0, 0, :, :, ::2] = 100
    first, other, second, _ = measures(images, ["a", "b"], SCALES)
    assert (first["red"], first["green"], first["blue"], first["contrast"]) == (60, 0, 0, 0)
    assert first["from_first_scale"] == 0 and first["from_other_classes"] == 10
    assert other["from_other_classes"] == 10
    assert second["red"] == 50 and second["contrast"] == 50
    assert second["sharpness"] == 50  # 100 between columns, 0 between rows
    assert second["from_first_scale"] == pytest.approx((50 + 2 * 50) / 3, abs=1e-4)


def test_fig7_says_why_there_are_no_images():
    figure, rows = fig7(None, CLASSES, SCALES, cells_of(["AMDiT"], ["cfg = 3"], reason="no backbone"))
    assert "no backbone" in figure.axes[0].texts[0].get_text()
    assert rows == [{"not_run": "no backbone"}]
