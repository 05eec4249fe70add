import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from facetory.pipeline.files import FacetoryError, write_json, write_tensors
from facetory.pipeline.registry import Plan, PlannedCell
from facetory.report import drawing
from facetory.report.cells import Cell, CellTable
from facetory.smc.ablation_figure import ablation, area, places, size_key_from
from facetory.smc.draw import drawn
from facetory.smc.figure_inputs import faces_of_edits, trace_of
from facetory.smc.genealogy import Trace, heights, lineage, living
from facetory.smc.genealogy_figure import fig8
from facetory.smc.samples_figure import across, fig4
from facetory.smc.strips_figure import Shot, Strip, strips
from facetory.smc.tradeoff_figure import tradeoff
from facetory.smc.training_figure import Course, course, fig3, smoothed

LOST = "CelebA-HQ not placed: expected data/celebahq"
METRICS = ("Emotion score", "Judge's score", "Realism")


def cell(row, column, value=None, half=0.1, **changes):
    known = value is not None and half is not None
    about = {"status": "new"} if value is not None else {"status": "not_run", "reason": LOST}
    about |= {"command": "snakemake smc_figX", "reading": "paper", "metric": "m", "unit": ""}
    about |= {"slot": "celebahq", "slot_title": "CelebA-HQ", "dataset": "anny_basic", "split": "test"}
    about |= {"ci_low": value - half, "ci_high": value + half} if known else {}
    return Cell(id=f"{row}/{column}", row=row, column=column, value=value, **about | changes)


def table(*cells, name="smc_figX"):
    return CellTable(
        table=name, title="A figure", source="Fig. X", scale="demo", reading="paper", cells=list(cells)
    )


def setting(row, guide, judge, realism, **changes):
    found = zip(METRICS, (guide, judge, realism), strict=True)
    return [cell(row, column, value, **changes) for column, value in found]


def words(axes):
    return " ".join(" ".join(text.get_text() for text in axes.texts).split())


def scatters(axes):
    return [np.asarray(points.get_offsets()) for points in axes.collections]


CONFIGURATIONS = [
    *setting("Guidance scale = 1", 0.3, 0.2, 0.96),
    *setting("Guidance scale = 10", 0.7, 0.4, 1.0),
    *setting("Noise strength = 0.1", 0.3, 0.25, 0.99),
    *setting("Noise strength = 0.7", 0.8, 0.6, 0.95),
    *setting("Inference steps = 250", 0.5, 0.4, 1.0, budget={"inference_steps": 50}),
    *setting("Inference steps = 500", None, None, None),
]


def test_fig5_has_a_chart_for_each_parameter_and_the_scores_at_their_values():
    figure, rows = ablation(table(*CONFIGURATIONS))
    guidance, noise, steps = figure.axes
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert labels == ["Guidance scale", "Noise strength", "Inference steps"]
    assert (guidance.get_xscale(), noise.get_xscale()) == ("log", "linear")
    guide, judge = scatters(guidance)
    np.testing.assert_allclose(guide[:, 1], [0.3, 0.7])
    np.testing.assert_allclose(judge[:, 1], [0.2, 0.4])
    assert (guide[:, 0] < [1, 10]).all() and (judge[:, 0] > [1, 10]).all()
    np.testing.assert_allclose(np.log10(guide[:, 0]), [0, 1], atol=0.06)
    assert [label.get_text() for label in steps.get_xticklabels()] == ["250\n(50 ran)", "500\n(not run)"]
    assert len(rows) == len(CONFIGURATIONS)
    assert rows[0]["parameter"] == "Guidance scale" and rows[0]["setting"] == "1"


def test_fig5_draws_intervals_and_leaves_out_what_has_none():
    figure, _ = ablation(table(*setting("Leash = 0", 0.5, 0.3, 1.0), *setting("Leash = 1", 0.6, 0.2, 1.0)))
    (axes,) = figure.axes
    spans = [line.get_ydata() for line in axes.lines if len(set(line.get_xdata())) == 1]
    np.testing.assert_allclose(spans, [[0.4, 0.6], [0.5, 0.7], [0.2, 0.4], [0.1, 0.3]])
    figure, _ = ablation(table(*setting("Leash = 0", 0.5, 0.3, 1.0, half=None)))
    assert all(len(set(line.get_ydata())) <= 1 for line in figure.axes[0].lines)


def test_marker_sizes_grow_with_realism_and_the_key_shows_them():
    figure, _ = ablation(table(*CONFIGURATIONS))
    guide, judge = figure.axes[0].collections
    assert size_key_from(table(*CONFIGURATIONS)) == 0.95
    np.testing.assert_allclose(guide.get_sizes(), [area(0.96, 0.95), area(1.0, 0.95)])
    np.testing.assert_allclose(guide.get_sizes(), judge.get_sizes())
    assert guide.get_sizes()[1] > 3 * guide.get_sizes()[0]
    np.testing.assert_allclose(judge.get_facecolors(), [[1, 1, 1, 1]])
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["guide", "independent judge", "realism 0.95", "0.975", "1"]
    keys = [handle.get_markersize() ** 2 for handle in figure.legends[0].legend_handles[2:]]
    assert keys == pytest.approx([area(realism, 0.95) for realism in (0.95, 0.975, 1.0)])


def test_the_size_key_begins_below_the_least_realism():
    assert size_key_from(table(*setting("A = 1", 0.5, 0.5, 0.3))) == 0.0
    assert size_key_from(table(*setting("A = 1", 0.5, 0.5, 0.995))) == 0.99
    assert size_key_from(table(*setting("A = 1", None, None, None))) == 0.0


def test_values_that_are_no_numbers_stand_side_by_side():
    assert places(["as Algorithm 1", "max", "5"]) == ([0, 1, 2], "ranks")
    assert places(["0", "0.02", "0.1"]) == ([0, 0.02, 0.1], "linear")
    assert places(["50", "150", "500"]) == ([50, 150, 500], "log")
    rows = ("as Algorithm 1", "max")
    cells = [own for row in rows for own in setting(f"Potential = {row}", 0.5, 0.4, 1.0)]
    figure, _ = ablation(table(*cells, *setting("Potential = sum", None, None, None)))
    (axes,) = figure.axes
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["as Algorithm 1", "max", "sum\n(not run)"]
    assert not any(line.get_linestyle() == "--" for line in axes.lines)


def test_a_parameter_that_did_not_run_is_a_panel_with_the_reason():
    figure, rows = ablation(
        table(*setting("A = 1", None, None, None), *setting("B = 1", 0.5, 0.4, 1.0), name="smc_fig5")
    )
    assert LOST in words(figure.axes[0])
    assert len(figure.axes[1].collections) == 2 and len(figure.axes[1].get_yticks()) > 3
    figure, rows = ablation(table(*setting("A = 1", None, None, None)))
    assert words(figure.axes[0]) == f"not run {LOST}" and not figure.legends
    assert [row["reason"] for row in rows] == [LOST] * 3


def test_smoothing_takes_means_of_the_neighbours_that_there_are():
    values = np.array([1.0, 3.0, 5.0, 11.0])
    np.testing.assert_allclose(smoothed(values, 2), [2, 3, 19 / 3, 8])
    np.testing.assert_allclose(smoothed(values, 0), values)


def test_a_course_reads_epochs_and_passes_over_validation(tmp_path):
    lines = [{"step": 10, "loss": 0.5}, {"step": 10, "validation": {"error": 1}}, {"step": 20, "loss": 0.25}]
    (tmp_path / "progress.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_json(tmp_path / "manifest.json", {"epochs": 4.0, "training": {"steps": 20}})
    own = course(tmp_path, "a run")
    np.testing.assert_allclose(own.epochs, [2, 4])
    np.testing.assert_allclose(own.loss, [0.5, 0.25])
    released = {"unet": {"batch_size": 32}, "data": {"images": 700, "held_out": 60}}
    write_json(tmp_path / "manifest.json", released)
    np.testing.assert_allclose(course(tmp_path, "a model").epochs, [0.5, 1])
    with pytest.raises(FacetoryError, match="progress is missing"):
        course(tmp_path / "elsewhere", "")


def test_fig3_continues_the_released_models_training():
    released = Course("released", np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.4, 0.2]))
    own = Course("continued", np.array([0.5, 1.0]), np.array([0.2, 0.1]))
    figure, rows = fig3(table(cell("Model", "last loss", 0.1, None)), [released, own])
    (axes,) = figure.axes
    np.testing.assert_allclose([row["x"] for row in rows], [1, 2, 3, 3.5, 4])
    np.testing.assert_allclose([row["epoch"] for row in rows], [1, 2, 3, 0.5, 1])
    drawn = {line.get_label(): line.get_xydata() for line in axes.lines}
    np.testing.assert_allclose(drawn["continued"], [[3.5, 0.2], [4, 0.1]])
    joins = [line for line in axes.lines if line.get_linestyle() == ":"]
    assert [set(line.get_xdata()) for line in joins] == [{3.0}]
    assert axes.get_yscale() == "log"
    flat = Course("flat", np.array([1.0, 2.0]), np.array([0.2, 0.1]))
    assert fig3(table(cell("Model", "last loss", 0.1, None)), [flat])[0].axes[0].get_yscale() == "linear"


def test_fig3_and_fig4_without_a_run_say_why():
    for figure, rows in (
        fig3(table(cell("Model", "last loss")), ()),
        fig4(table(cell("Samples", "faces found")), None),
    ):
        assert words(figure.axes[0]) == f"not run {LOST}"
        assert rows[0]["reason"] == LOST


def test_fig4_shows_every_image_once():
    images = np.random.default_rng(0).integers(0, 256, (6, 3, 8, 8)).astype(np.uint8)
    figure, rows = fig4(table(cell("Samples", "faces found", 50, None)), images, np.array([0.5] * 6))
    shown = [axes.images[0].get_array() for axes in figure.axes]
    np.testing.assert_array_equal(shown, images.transpose(0, 2, 3, 1))
    assert [row["red"] for row in rows] == pytest.approx(images[:, 0].mean((1, 2)), abs=1e-4)
    assert [row["realism"] for row in rows] == [0.5] * 6


def test_grids_are_filled_where_they_can_be():
    assert [across(count) for count in (1, 2, 4, 6, 8, 12, 16, 20, 7, 11, 13, 100)] == [
        *(1, 2, 2, 3, 4, 4, 4, 5, 7, 4, 4, 8)
    ]


def picture(level):
    return np.full((3, 8, 8), level, np.uint8)


def face(row, sample_id, edits):
    return Strip(row, row, sample_id, picture(1), "fear", Shot(picture(2), "neutral", 0.8), edits)


HAPPY = Shot(picture(3), "happiness", 0.9, "happiness")
SAD = Shot(picture(4), "neutral", 0.6, "sadness")


def test_strips_show_source_reconstruction_and_edits_with_verdicts():
    measured = table(*(cell("A", c, 0.5) for c in ("Happy", "Sad")), cell("B", "Happy"), cell("B", "Sad"))
    faces = [face("A", "s1", {"Happy": HAPPY, "Sad": SAD}), face("A", "s2", {"Happy": HAPPY, "Sad": LOST})]
    figure, rows = strips(measured, faces)
    panels, lost = np.reshape(figure.axes[:8], (2, 4)), figure.axes[8]
    assert [axes.get_title() for axes in panels[0]] == ["source", "VAE\nreconstruction", "Happy", "Sad"]
    assert [axes.images[0].get_array()[0, 0, 0] for axes in panels[0]] == [1, 2, 3, 4]
    below = [axes.get_xlabel() for axes in panels[0]]
    assert below == ["fear", "neutral 0.80", "happiness 0.90", "neutral 0.60"]
    assert [axes.xaxis.label.get_fontweight() for axes in panels[0]] == ["normal"] * 2 + ["bold", "normal"]
    assert words(panels[1, 3]) == "not run"
    assert f"Sad not run: {LOST}." in " ".join(figure.texts[0].get_text().split())
    assert lost.get_ylabel() == "B" and words(lost) == f"not run {LOST}"
    hits = [row for row in rows if row["verdict"] and row["verdict"] == row["target"]]
    assert [(row["sample_id"], row["picture"], row["probability"]) for row in hits] == [
        ("s1", "Happy", 0.9),
        ("s2", "Happy", 0.9),
    ]
    assert rows[-1] == {"row": "B", "sample_id": "", "picture": ""} | {
        "target": None,
        "verdict": "",
        "probability": None,
        "reason": LOST,
    }


def test_strips_of_one_target_stand_side_by_side():
    measured = table(cell("A", "Happy", 0.5), cell("B", "Happy"))
    figure, rows = strips(measured, [face("A", name, {"Happy": HAPPY}) for name in ("s1", "s2")])
    panels, lost = np.reshape(figure.axes[:6], (2, 3)), figure.axes[6]
    assert panels[1, 2].images and LOST in words(lost)
    figure.canvas.draw()
    left, right = panels[0, 2].get_position(), lost.get_position()
    assert right.x0 > left.x1 and abs(right.y0 - left.y0) < 0.05
    assert rows[-1]["reason"] == LOST and len(rows) == 2 * 3 + 1


def edits(ids, target=0):
    count = len(ids)
    edited = {
        "sources": np.stack([picture(i) for i in range(count)]),
        "reconstructions": np.stack([picture(10 + i) for i in range(count)]),
        "edited": np.stack([picture(20 + i) for i in range(count)]),
        "labels": np.array([-1, *range(count - 1)]),
        "targets": np.full(count, target),
        "sample_ids": ids,
        "classes": ["fear", "anger", "neutral"],
        "guide_classes": ["happiness", "sadness"],
    }
    odds = np.array([[0.2, 0.8], [0.7, 0.3], [0.4, 0.6], [0.9, 0.1]])[:count]
    judged = {"judge_classes": ["sadness", "happiness"], "judge_source": odds[::-1], "judge_edited": odds}
    return edited, judged


def test_the_first_faces_of_a_row_come_with_the_judges_verdicts():
    measured = table(*(cell("A", c, 0.5) for c in ("Happy", "Sad", "Angry")))
    measured.cells[2] = cell("A", "Angry")
    found = faces_of_edits(
        measured,
        {("A", "Happy"): edits(list("abcd")), ("A", "Sad"): edits(list("bacd"), target=1)},
    )
    assert [strip.sample_id for strip in found] == ["a", "b", "c"]
    assert [strip.label for strip in found] == ["", "fear", "anger"]
    assert found[0].about == "A\n[anny_basic]\nrender"
    happy, sad = found[0].edits["Happy"], found[0].edits["Sad"]
    assert happy[1:] == ("happiness", 0.8, "happiness") and sad[1:] == ("sadness", 0.7, "sadness")
    assert (happy.picture[0, 0, 0], sad.picture[0, 0, 0]) == (20, 21)
    assert found[0].edits["Angry"] == LOST
    assert found[0].reconstruction[1:] == ("sadness", 0.9, None)


ANCESTORS = np.array([[1, 1, 0, 3], [0, 1, 2, 3], [2, 2, 3, 3]])
"""Four particles over three scorings: 2 has no child at first, nothing is resampled at the second."""


def test_lineages_are_followed_back_from_the_end():
    assert lineage(ANCESTORS, 0).tolist() == [0, 2, 2, 0]
    assert lineage(ANCESTORS, 3).tolist() == [3, 3, 3, 3]


def test_the_living_have_descendants_at_the_end():
    alive = living(ANCESTORS)
    assert alive.sum(1).tolist() == [2, 2, 2, 4]
    assert np.flatnonzero(alive[0]).tolist() == [0, 3]
    for last in range(4):
        assert all(alive[s, j] for s, j in enumerate(lineage(ANCESTORS, last)))


def test_lines_to_children_do_not_cross():
    random = np.random.default_rng(0)
    ancestors = random.integers(0, 9, (12, 9))
    y = heights(ancestors)
    for s, parents in enumerate(ancestors):
        assert sorted(y[s + 1]) == list(range(9))
        order = np.argsort(y[s + 1])
        assert (np.diff(y[s][parents[order]]) >= 0).all()
    assert (heights(np.arange(5)[None])[1] == np.arange(5)).all()


def trace(chosen=0):
    scores = np.linspace(0.1, 0.9, 12).reshape(3, 4)
    return Trace(
        scores=scores,
        final_scores=np.array([0.9, 0.8, 0.7, 0.6]),
        ancestors=ANCESTORS,
        ess=np.array([2.0, 4.0, 3.0]),
        unique_roots=np.array([3, 3, 2]),
        chosen=chosen,
        snapshots=np.stack([np.stack([picture(10 * g + j) for j in range(4)]) for g in range(2)]),
        snapshot_scorings=np.array([0, 2]),
        source=picture(100),
        edited=picture(200),
        target="sadness",
    )


def test_fig8_draws_every_line_node_and_picture_once():
    measured = table(*(cell(row, "ESS", 2, None) for row in ("Literal", "Corrected")))
    figure, rows = fig8(measured, {"Literal": trace(), "Corrected": LOST})
    axes = {own.get_ylabel(): own for own in figure.axes}
    tree = axes["particle"]
    dead_lines, live_lines, dead, alive = tree.collections
    assert len(dead_lines.get_segments()) + len(live_lines.get_segments()) == 12
    assert len(dead.get_offsets()) + len(alive.get_offsets()) == 16
    assert len(alive.get_offsets()) == living(ANCESTORS).sum()
    y = heights(ANCESTORS)
    path = [[s + 1, y[s, j]] for s, j in enumerate([0, 2, 2, 0])]
    assert tree.lines[0].get_xydata().tolist() == path
    pictures = [own for own in figure.axes if own.images and own.get_title()]
    shown = {own.get_title(): int(own.images[0].get_array()[0, 0, 0]) for own in pictures}
    assert shown == {"source": 100, "scoring 1": 0, "scoring 3": 12, "edit": 200}
    counts = next(own for own in figure.axes if own.get_xlabel() == "scoring")
    assert [line.get_ydata().tolist() for line in counts.lines] == [[2, 4, 3], [3, 3, 2]]
    nodes = [row for row in rows if row["sampler"] == "Literal"]
    assert len(nodes) == 16 and sum(row["lineage_of_the_edit"] for row in nodes) == 4
    assert [row["parent"] for row in nodes if row["scoring"] == 2] == [1, 1, 0, 3]
    assert [row["score"] for row in nodes if row["scoring"] == 4] == [0.9, 0.8, 0.7, 0.6]
    assert rows[-1]["reason"] == LOST
    assert figure.subfigs[0].subfigs[0].get_suptitle() == "Literal, towards sadness"


def small_print(figure):
    return " ".join(figure.texts[0].get_text().split())


def test_a_figure_of_pictures_claims_no_means():
    measured = table(cell("A", "Happy", 0.5, n=24))
    images = np.zeros((1, 3, 8, 8), np.uint8)
    for figure in (
        fig3(measured, [Course("own", np.array([1.0, 2.0]), np.array([0.2, 0.1]))])[0],
        fig4(measured, images)[0],
        strips(measured, [face("A", "s1", {"Happy": HAPPY})])[0],
        fig8(table(cell("Literal", "ESS", 2)), {"Literal": trace()})[0],
    ):
        assert "Scale demo" in small_print(figure)
        assert "Samples" not in small_print(figure) and "Intervals" not in small_print(figure)
    charts = ablation(
        table(*setting("Leash = 0", 0.5, 0.4, 1.0, n=9), cell("Leash = 0", "Flip rate", 4, n=7))
    )
    assert "Samples: 9 of anny_basic (test). Intervals: 95 %" in small_print(charts[0])


def test_a_trace_is_that_of_the_first_face():
    both = {
        "scores": np.arange(12.0).reshape(2, 2, 3),
        "ancestors": np.arange(12).reshape(2, 2, 3),
        "ess": np.ones((2, 2)),
        "unique_roots": np.ones((2, 2), int),
        "chosen": np.array([2, 0]),
        "guide_scores": np.array([[0.1, 0.2, 0.3], [0, 0, 0]]),
        "snapshots": np.zeros((1, 3, 3, 8, 8), np.uint8),
        "snapshot_scorings": np.array([1]),
        "sources": np.stack([picture(1), picture(2)]),
        "edited": np.stack([picture(3), picture(4)]),
        "targets": np.array([1, 0]),
        "guide_classes": ["fear", "sadness"],
    }
    own = trace_of(both)
    assert own.chosen == 2 and own.scores.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert own.final_scores.tolist() == [0.1, 0.2, 0.3] and own.edited[0, 0, 0] == 3
    assert own.target == "sadness"


SAMPLERS = {"Literal": (0.9, 20), "Corrected": (0.7, 60), "Unguided": (None, None)}


def test_the_trade_off_has_a_panel_a_target_and_a_marker_a_sampler():
    cells = [
        cell(sampler, f"{target}, {name}", value, half)
        for sampler, (identity, flips) in SAMPLERS.items()
        for target in ("Happy", "Sad")
        for name, value, half in (("identity", identity, 0.05), ("flip rate", flips, 5))
    ]
    figure, rows = tradeoff(table(*cells))
    assert [axes.get_title() for axes in figure.axes] == ["Happy", "Sad"]
    for axes in figure.axes:
        assert [tuple(points[0]) for points in scatters(axes)] == [(0.9, 20), (0.7, 60)]
        spans = [line.get_xydata().tolist() for line in axes.lines]
        assert len(spans) == 4, "intervals alone: nothing joins one sampler to another"
        assert [[pytest.approx(0.85), 20], [pytest.approx(0.95), 20]] in spans
        assert [[0.9, 15], [0.9, 25]] in spans and "better" in words(axes)
    (key,) = figure.legends
    assert [text.get_text() for text in key.get_texts()] == ["Literal", "Corrected", "Unguided"]
    looks = {(line.get_color(), line.get_marker()) for line in key.get_lines()}
    assert len(looks) == len({colour for colour, _ in looks}) == len({marker for _, marker in looks}) == 3
    assert [row["status"] for row in rows] == ["new"] * 4 + ["not_run"] * 2
    lost = tradeoff(table(cell("A", "Happy, identity"), cell("A", "Happy, flip rate")))[0]
    assert words(lost.axes[0]) == f"not run {LOST}"


def planned(name, cells, inputs=()):
    asked = [
        PlannedCell(id=own.id, row=own.row, column=own.column, inputs=inputs, budget=own.budget)
        for own in cells
    ]
    about = {"paper": "smc", "title": "A figure", "source": "Fig. X", "scale": "demo", "reading": "paper"}
    return Plan(name=name, cells=tuple(asked), **about)


def test_each_plan_is_drawn_by_its_name(tmp_path):
    """The files of stages, as small as can be, through the dispatch to a figure's CSV."""
    model = tmp_path / "diffusions" / "m"
    write_json(
        model / "manifest.json",
        {
            "spec": {"dataset": "anny_basic", "backbone": "b", "px": 64, "steps": 20, "also": ["orl"]},
            "epochs": 4.0,
            "training": {"steps": 20},
        },
    )
    (model / "progress.jsonl").write_text('{"step": 10, "loss": 0.5}\n{"step": 20, "loss": 0.4}\n')
    images = {"images": np.stack([picture(i) for i in range(4)]), "realism": np.ones(4, np.float32)}
    write_tensors(tmp_path / "samples" / "s" / "images.safetensors", images, {"spec": {}})
    for kind, file, content in zip(
        ("edits", "measures"), ("edits", "measures"), edits(list("abcd")), strict=True
    ):
        arrays = {name: own for name, own in content.items() if isinstance(own, np.ndarray)}
        about = {name: own for name, own in content.items() if name not in arrays}
        write_tensors(tmp_path / kind / "e" / f"{file}.safetensors", arrays, about)
    one = "manifest.json"
    cells = {
        "smc_fig1": ([], ()),
        "smc_fig2": ([cell("UNet", "parameters", 113.7, None, budget={"architecture": "demo-faces"})], ()),
        "smc_fig3": ([cell("Model", "last loss", 0.4, None)], (f"diffusions/m/{one}",)),
        "smc_fig4": ([cell("Samples", "faces found", 100, None)], (f"samples/s/{one}",)),
        "smc_fig6": ([cell("A", "Happy", 0.5)], (f"measures/e/{one}", f"edits/e/{one}")),
        "smc_ablation_leash": (setting("Leash = 0", 0.5, 0.4, 1.0), ()),
        "smc_tradeoff": ([cell("A", "Happy, identity", 0.5), cell("A", "Happy, flip rate", 50, 5)], ()),
    }
    rows = {
        name: drawn(planned(name, own, inputs), table(*own), tmp_path)[1]
        for name, (own, inputs) in cells.items()
    }
    assert sum(row["parameters"] for row in rows["smc_fig2"]) == 1_806_852
    assert [(row["training"], row["epoch"]) for row in rows["smc_fig3"]] == [
        ("anny_basic, orl", 2.0),
        ("anny_basic, orl", 4.0),
    ]
    assert [row["realism"] for row in rows["smc_fig4"]] == [1.0] * 4
    assert [row["verdict"] for row in rows["smc_fig6"][:3]] == ["", "sadness", "happiness"]
    assert rows["smc_ablation_leash"][0]["setting"] == "0"
    assert rows["smc_tradeoff"][0]["flip_rate_ci_low"] == 45
    assert rows["smc_fig1"][0]["component"] == "source image"


def test_every_figure_saves_what_it_draws(tmp_path):
    measured = table(*CONFIGURATIONS)
    for name, (figure, rows) in {
        "fig5": ablation(measured),
        "fig8": fig8(measured, {"Literal": trace(), "Corrected": LOST}),
        "fig6": strips(table(cell("A", "Happy", 0.5)), [face("A", "s1", {"Happy": HAPPY})]),
    }.items():
        drawing.save(figure, tmp_path / name, rows)
        with (tmp_path / f"{name}.csv").open() as handle:
            assert len(list(csv.DictReader(handle))) == len(rows)
        assert (tmp_path / f"{name}.png").read_bytes()[:4] == b"\x89PNG"


def test_figures_need_no_torch():
    code = "import sys, facetory.smc.draw; sys.exit(any(m.split('.')[0] == 'torch' for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
