import importlib
from itertools import combinations

import pytest
from facetory.report import drawing
from facetory.smc.diagrams import fig1, inference_boxes
from facetory.smc.sampler_spec import READINGS, Sampler
from facetory.smc.unet_diagram import fig2, level_boxes, levels

SAMPLERS = {reading: Sampler(**own) for reading, own in READINGS.items()}
FIGURES = {
    **{f"fig1, {reading}": lambda own=own: fig1(own) for reading, own in SAMPLERS.items()},
    "fig1, sum": lambda: fig1(Sampler(potential="sum", carry_weights=True, resample_interval=5)),
    "fig1, max": lambda: fig1(Sampler(potential="max", carry_weights=True)),
    "fig2, smc": lambda: fig2("smc"),
    "fig2, demo-faces": lambda: fig2("demo-faces"),
}
BOXES = {
    **{f"fig1, {reading}": lambda own=own: inference_boxes(own) for reading, own in SAMPLERS.items()},
    "fig1, sum": lambda: inference_boxes(Sampler(potential="sum", carry_weights=True, resample_interval=5)),
    "fig1, max": lambda: inference_boxes(Sampler(potential="max", carry_weights=True)),
    "fig2, smc": lambda: level_boxes(levels("smc")),
    "fig2, demo-faces": lambda: level_boxes(levels("demo-faces")),
}


@pytest.mark.parametrize("name", FIGURES)
def test_boxes_and_texts_stay_apart_and_inside(name):
    """No box overlaps another, a box holds what is written in it, no text crosses another or the edge."""
    boxes = BOXES[name]()
    for one, other in combinations(boxes, 2):
        apart = one.x + one.width <= other.x or other.x + other.width <= one.x
        assert apart or one.y + one.height <= other.y or other.y + other.height <= one.y, (one, other)
    with drawing.style():
        figure, _ = FIGURES[name]()
        figure.canvas.draw()
    (axes,) = figure.axes
    extents = [(text.get_text(), text.get_window_extent()) for text in axes.texts if text.get_text()]
    for (one, first), (other, second) in combinations(extents, 2):
        assert not first.overlaps(second), (one, other)
    for text, extent in extents:
        assert extent.x0 >= 0 and extent.x1 <= figure.bbox.x1 and extent.y1 <= figure.bbox.y1, text
    for box in boxes:
        if box.text:
            corners = [(box.x, box.y), (box.x + box.width, box.y + box.height)]
            (x0, y0), (x1, y1) = axes.transData.transform(corners)
            held = [
                own
                for text, own in extents
                if text == box.text and x0 < own.x0 and own.x1 < x1 and y0 < own.y0 and own.y1 < y1
            ]
            assert len(held) == 1, box.name


@pytest.mark.parametrize("name", FIGURES)
def test_every_component_names_code_that_exists(name):
    _, rows = FIGURES[name]()
    assert len(rows) >= 9
    for code in {row["code"] for row in rows}:
        module, _, member = code.rpartition(".")
        try:
            importlib.import_module(code)
        except ModuleNotFoundError:
            assert hasattr(importlib.import_module(module), member), code


def written(sampler):
    figure, _ = fig1(sampler)
    return " ".join(text.get_text() for text in [*figure.axes[0].texts, *figure.texts])


def test_fig1_says_how_the_sampler_weighs_and_resamples():
    literal, corrected = written(SAMPLERS["paper"]), written(SAMPLERS["corrected"])
    assert r"$w^j \propto (s^j)^\gamma$" in literal and "multinomial, every step" in literal
    assert "the same for all" in literal and "best particle" in literal
    assert r"w^j (s^j / s^j_{before})^\gamma" in corrected and "systematic, where ESS < 0.5" in corrected
    assert "one a particle" in corrected and "drawn by weight" in corrected
    assert "γ = 7" in written(Sampler(guidance_scale=7)).replace("\n", " ")
    assert "every 5 steps" in written(Sampler(resample_interval=5))


def test_the_levels_hold_all_parameters_of_the_papers_unet():
    found = levels("smc")
    assert sum(level.parameters for level in found) == 113_675_524
    down = [level for level in found if level.path == "down"]
    assert [level.channels for level in down] == [128, 128, 256, 256, 512, 512]
    assert [level.side for level in down] == [32, 16, 8, 4, 2, 1]
    assert [level.attentions for level in down] == [0, 0, 0, 0, 2, 0]
    up = [level for level in found if level.path == "up"]
    assert [level.side for level in up] == [1, 2, 4, 8, 16, 32]
    assert {level.resnets for level in up} == {3}


def test_the_levels_of_another_architecture_hold_its_parameters():
    from facetory.diffusion.unconditional import new_unconditional

    unet = new_unconditional("demo-faces", 8)
    found = levels("demo-faces", 8)
    assert sum(level.parameters for level in found) == sum(p.numel() for p in unet.parameters())
    named = {level.name: level for level in found}
    block = unet.down_blocks[2]
    assert named["down_blocks.2"].parameters == sum(p.numel() for p in block.parameters())
    assert (named["down_blocks.2"].kind, named["conv_out"].channels) == ("AttnDownBlock2D", 8)


def test_fig2_writes_the_numbers_that_its_rows_have():
    figure, rows = fig2("demo-faces")
    drawn = " ".join(text.get_text() for text in figure.axes[0].texts)
    for row in rows:
        assert f"{row['kind']}: {row['parameters']:,} parameters" in drawn
    assert f"{sum(row['parameters'] for row in rows):,} parameters" in drawn
