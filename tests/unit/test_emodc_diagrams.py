import importlib
from itertools import combinations

import pytest
import torch
from facetory.data.labels import CLASSES
from facetory.emodc.diagrams import fig2, fig3, inference_boxes, training_boxes
from facetory.emodc.losses import amdit, fmdit
from facetory.emodc.prompts import prompts
from facetory.report import drawing

FIGURES = {
    "fig2, basic": lambda: fig2(CLASSES["basic"]),
    "fig2, compound": lambda: fig2(CLASSES["compound"], steps=1),
    "fig3, basic": lambda: fig3(CLASSES["basic"]),
    "fig3, compound": lambda: fig3(CLASSES["compound"]),
}


def boxes_of(name):
    family = CLASSES["compound" if "compound" in name else "basic"]
    return (
        training_boxes(family)
        if "fig3" in name
        else inference_boxes(family, 1 if "compound" in name else 100)
    )


@pytest.mark.parametrize("name", FIGURES)
def test_boxes_and_texts_stay_apart_and_inside(name):
    """No box overlaps another, a box holds what is written in it, no text crosses another or the edge."""
    for one, other in combinations(boxes_of(name), 2):
        apart = one.x + one.width <= other.x or other.x + other.width <= one.x
        assert apart or one.y + one.height <= other.y or other.y + other.height <= one.y, (one, other)
    with drawing.style():
        figure, _ = FIGURES[name]()
        figure.canvas.draw()
    extents = [
        (text.get_text(), text.get_window_extent())
        for axes in figure.axes
        for text in axes.texts
        if text.get_text()
    ]
    extents += [
        (axes.get_title(), axes.title.get_window_extent()) for axes in figure.axes if axes.get_title()
    ]
    for (one, first), (other, second) in combinations(extents, 2):
        assert not first.overlaps(second), (one, other)
    for text, extent in extents:
        assert extent.x0 >= 0 and extent.x1 <= figure.bbox.x1 and extent.y1 <= figure.bbox.y1, text
    axes = figure.axes[0]
    inside = {text.get_text(): text.get_window_extent() for text in axes.texts}
    for box in boxes_of(name):
        if box.text:
            (x0, y0), (x1, y1) = axes.transData.transform(
                [(box.x, box.y), (box.x + box.width, box.y + box.height)]
            )
            own = inside[box.text]
            assert x0 < own.x0 and own.x1 < x1 and y0 < own.y0 and own.y1 < y1, box.name


@pytest.mark.parametrize("name", FIGURES)
def test_every_component_names_code_that_exists(name):
    _, rows = FIGURES[name]()
    assert len(rows) >= 9
    for row in rows:
        module, _, member = row["code"].rpartition(".")
        try:
            importlib.import_module(row["code"])
        except ModuleNotFoundError:
            assert hasattr(importlib.import_module(module), member), row["code"]


def test_fig2_speaks_of_the_classes_prompts_and_timesteps():
    figure, rows = fig2(CLASSES["compound"], steps=10)
    written = " ".join(text.get_text() for text in figure.axes[0].texts)
    for prompt in prompts(CLASSES["compound"])[:11]:
        assert prompt in written
    assert "$N_c$ = 11 class prompts" in written
    assert "10 timesteps\n50, 150, …, 950" in written
    assert "1000" in next(row["text"] for row in rows if row["component"] == "network")


def test_fig3_has_the_papers_example_and_the_specs_defaults():
    figure, _ = fig3(CLASSES["basic"])
    written = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert "“A photo of a happy facial expression.”" in written
    assert "“A photo of a disgusted facial expression.”" in written
    assert "“A photo of a facial expression.”" in written
    assert "6 other classes" in written and "rank 16" in written and r"$\alpha$ = 0.01" in written
    assert "m_f = 0.0005" in figure.texts[0].get_text()


def test_the_circles_are_where_the_losses_become_zero():
    figure, rows = fig3(CLASSES["basic"])
    circles = {row["component"]: row for row in rows if row["kind"] == "circle"}
    assert list(circles) == ["(b) easy sample", "(b) hard sample", "(c) easy sample", "(c) hard sample"]
    for name, row in circles.items():
        d_p, d_n = torch.tensor(row["d_p"]), torch.tensor(row["d_n_at_zero_loss"])
        for change, zero in ((1e-3, True), (-1e-3, False)):
            if name.startswith("(b)"):
                loss = fmdit(d_p, d_n + change, row["margin"])
            else:
                loss = amdit(d_p, d_n + change, d_p, row["margin"] / row["d_p"])
            assert (float(loss) == 0) == zero
    assert circles["(b) easy sample"]["margin"] == circles["(b) hard sample"]["margin"]
    assert circles["(c) easy sample"]["margin"] < circles["(c) hard sample"]["margin"]
    ratios = {
        circles[f"(c) {s} sample"]["margin"] / circles[f"(c) {s} sample"]["d_p"] for s in ("easy", "hard")
    }
    assert len({round(ratio, 9) for ratio in ratios}) == 1
    radii = [patch.get_radius() for axes in figure.axes[1:] for patch in axes.patches]
    drawn = [value for row in circles.values() for value in (row["d_p"], row["d_n_at_zero_loss"])]
    assert [r / radii[0] for r in radii] == pytest.approx([v / drawn[0] for v in drawn])
