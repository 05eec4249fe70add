import importlib
from itertools import combinations

import numpy as np
import pytest
from affect_courses import LOST, answers, cell, recognizer, run, table
from facetory.affectdiff import draw as drawer
from facetory.affectdiff.ablation_figure import ablation
from facetory.affectdiff.class_figure import fig5
from facetory.affectdiff.comparison_figure import fig3, fig12
from facetory.affectdiff.counterfactual_estimates import read_counterfactuals
from facetory.affectdiff.coupling_figure import coupling, differences, pairs
from facetory.affectdiff.course import column_sum_shares, course, peak
from facetory.affectdiff.course_figure import fig6, fig7, fig8, warmup
from facetory.affectdiff.curves_figure import apart, fig4, fig10, line_styles
from facetory.affectdiff.diagrams import architecture_boxes, fig1
from facetory.affectdiff.efficiency_figure import fig9, front
from facetory.affectdiff.example_figure import fig15
from facetory.affectdiff.graph_figure import detail_boxes, fig2, width_of
from facetory.affectdiff.label_figure import examples, fig13
from facetory.affectdiff.modality_figure import change, fig14
from facetory.affectdiff.robustness_figure import BETTER, WORSE, fig11, robustness
from facetory.affectdiff.spec import EMOTIONS, ModelSpec
from facetory.pipeline.files import FacetoryError, write_json
from facetory.pipeline.registry import Plan, PlannedCell
from facetory.report import drawing
from matplotlib.colors import to_hex

CODE = {"heads": 8, "prior_width": 64, "condition": "column_sums", "pooling": "mean_attention"}
CODE |= {"classifier_layers": 3, "modality_gate": True}
HOMEPAGE = {
    "latent": 256,
    "graph": "gumbel",
    "modality_norm": True,
    "logvar_max": 2.0,
    "classifier_layers": 1,
}
SPECS = {
    "paper": ModelSpec(),
    "code": ModelSpec(**CODE),
    "homepage": ModelSpec(**HOMEPAGE, classify="denoised", decoder=True),
    "bare": ModelSpec(prior_width=0, graph="none", vae=False),
}
METHODS = ("TFN", "MulT", "MISA", "MMIM", "TETFN", "Affect-Diff")


@pytest.fixture(autouse=True)
def _house_style():
    with drawing.style():
        yield


def words(axes):
    return " ".join(" ".join(text.get_text() for text in axes.texts).split())


def below(figure):
    return " ".join(figure.texts[0].get_text().split()).replace("CMU- MOSEI", "CMU-MOSEI")


def bar_lengths(axes, vertical=True):
    return [patch.get_height() if vertical else patch.get_width() for patch in axes.patches]


def legible(figure):
    """Every label lies on the sheet and no label that is not slanted crosses another."""
    figure.canvas.draw()
    found = [text for text in figure.texts if text.get_text()]
    for legend in figure.legends:
        found += legend.get_texts()
    panels = [axes for axes in figure.axes if axes.axison]
    for axes in panels:
        found += [axes.xaxis.label, axes.yaxis.label, axes.title]
        found += axes.get_legend().get_texts() if axes.get_legend() else []
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            low, high = sorted(limits)
            marks = zip(axis.get_majorticklocs(), axis.get_ticklabels(), strict=False)
            found += [label for at, label in marks if low <= at <= high]
    extents = [
        (text.get_text(), text.get_window_extent().padded(-0.5), text.get_rotation() % 90 == 0)
        for text in found
        if text.get_text() and text.get_visible()
    ]
    assert extents
    for text, box, _ in extents:
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        assert inside, text
    for (one, first, straight), (other, second, level) in combinations(extents, 2):
        assert not (straight and level and first.overlaps(second)), (one, other)


@pytest.fixture
def trained(tmp_path):
    accuracy = [0.2, 0.3, 0.45, 0.4]
    return course(tmp_path / "recognizers" / run(tmp_path, recognizer(), accuracy), "Full Model")


def test_a_course_is_read_by_epoch_and_knows_its_best(trained):
    np.testing.assert_allclose(trained.epochs, [1, 2, 3, 4])
    np.testing.assert_allclose(trained.validation["balanced_accuracy"], [0.2, 0.3, 0.45, 0.4])
    np.testing.assert_allclose(trained.training["gamma_diffusion"], [0, 0.05, 0.1, 0.15])
    assert trained.best == 3 and peak(trained) == (3, 0.45)


def test_a_course_without_its_log_says_so(tmp_path):
    with pytest.raises(FacetoryError, match=r"progress\.jsonl"):
        course(tmp_path, "")


def test_column_sums_count_what_leads_into_a_modality():
    edges = {"ta": 0.5, "va": 0.25, "at": 0.25, "vt": 0, "tv": 0, "av": 0}
    shares = column_sum_shares({f"edge_{edge}": np.array([value, 0.0]) for edge, value in edges.items()})
    np.testing.assert_allclose(shares[0], [0.25, 0.75, 0])
    assert np.isnan(shares[1]).all()


@pytest.mark.parametrize("name", SPECS)
def test_boxes_of_the_architecture_stay_apart_and_hold_their_texts(name):
    figure, rows = fig1(SPECS[name], name)
    figure.canvas.draw()
    (axes,) = figure.axes
    boxes = architecture_boxes(SPECS[name])
    _stay_apart(axes, boxes)
    assert [row["component"] for row in rows] == [box.name for box in boxes]
    for code in {box.code for box in (*boxes, *detail_boxes())}:
        module, _, member = code.rpartition(".")
        try:
            importlib.import_module(code)
        except ModuleNotFoundError:
            assert hasattr(importlib.import_module(module), member), code


def _stay_apart(axes, boxes):
    for one, other in combinations(boxes, 2):
        apart = one.x + one.width <= other.x or other.x + other.width <= one.x
        assert apart or one.y + one.height <= other.y or other.y + other.height <= one.y, (one, other)
    extents = [(text.get_text(), text.get_window_extent()) for text in axes.texts if text.get_text()]
    for (one, first), (other, second) in combinations(extents, 2):
        assert not first.overlaps(second), (one, other)
    for box in boxes:
        corners = [(box.x, box.y), (box.x + box.width, box.y + box.height)]
        (x0, y0), (x1, y1) = axes.transData.transform(corners)
        held = [own for text, own in extents if text == box.text and x0 < own.x0 and own.x1 < x1]
        assert any(y0 < own.y0 and own.y1 < y1 for own in held), box.name


def test_fig1_tells_the_sizes_of_its_spec():
    figure, rows = fig1(SPECS["code"], "code")
    assert "8.92 M parameters" in below(figure) and "5.19 M trained" in below(figure)
    text = {row["component"]: row["text"] for row in rows}
    assert "8 heads" in text["audio encoder"] and "64–128–256" in text["prior"]
    assert "3-layer" in text["classifier"] and "column sums" in text["weights"]
    assert {row["component"] for row in fig1(SPECS["bare"], "")[1]}.isdisjoint({"prior", "L_KL", "L_causal"})
    assert "L_recon" in {row["component"] for row in fig1(SPECS["homepage"], "")[1]}


def test_fig2_has_the_edges_of_the_best_epoch(trained):
    weights = table(cell("Importance", "Text", 0.42, None))
    figure, rows = fig2(weights, trained)
    figure.canvas.draw()
    _stay_apart(figure.axes[0], detail_boxes())
    kept = {row["number"]: row["value"] for row in rows}
    assert [kept[f"edge_{edge}"] for edge in ("ta", "va")] == pytest.approx([0.1, 0.6])
    assert kept["weight_text"] == pytest.approx(0.5 - 0.1 * 0.81)
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert {"0.10", "0.60", "$w_T$ = 0.42"} <= set(shown)
    assert "epoch 3" in below(figure) and width_of(0.9) > width_of(0.1)


def test_fig2_is_drawn_without_a_run():
    figure, rows = fig2(table(cell("Importance", "Text")), None)
    assert not any(row["value"] for row in rows) and len(rows) == 10
    assert f"Not run: all ({LOST})." in below(figure) and "0.10" not in words(figure.axes[0])


def compared(lost="MMIM"):
    return [
        cell(row, column, None if row == lost else 0.1 * i + shift, published=0.3)
        for i, row in enumerate(METHODS)
        for column, shift in (("Val-BalAcc", 0.1), ("Test-Acc", 0.2))
    ]


def test_fig3_has_balanced_accuracy_left_and_accuracy_right():
    figure, rows = fig3(table(*compared()))
    left, right = figure.axes
    np.testing.assert_allclose(bar_lengths(left), [0.1, 0.2, 0.3, 0.5, 0.6])
    np.testing.assert_allclose(bar_lengths(right), [0.2, 0.3, 0.4, 0.6, 0.7])
    colours = [to_hex(patch.get_facecolor()) for patch in left.patches]
    assert colours[-1] not in colours[:-1]
    hollow = [line for line in left.lines if line.get_marker() == "D"]
    assert [line.get_ydata()[0] for line in hollow] == [0.3] * 6
    assert words(left) == "not run" and f"Not run: MMIM ({LOST})." in below(figure)
    assert "synthetic_mosei for CMU-MOSEI" in below(figure)
    assert figure.legends[0].get_texts()[0].get_text() == "published, on CMU-MOSEI"
    assert len(rows) == 12
    legible(figure)


def test_fig12_marks_the_chance_of_each_task():
    rows = ("Emotion (6 classes)", "Sentiment (7 classes)", "Sentiment (binary)")
    cells = [
        cell(row, "Bal-Acc", v, published=p)
        for row, v, p in zip(rows, (0.3, 0.4, 0.8), (0.384, 0.729, 0.925), strict=True)
    ]
    figure, _ = fig12(table(*cells))
    (axes,) = figure.axes
    assert bar_lengths(axes) == [0.3, 0.4, 0.8]
    chance = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "--"]
    np.testing.assert_allclose(chance, [1 / 6, 1 / 7, 1 / 2])
    legible(figure)


def test_fig5_groups_models_by_class_and_writes_zeros():
    models = ("TFN", "MulT", "No VAE", "Full Model")
    value = {"TFN": 0.3, "MulT": None, "No VAE": 0.1, "Full Model": 0.0}
    cells = [cell(m, c, value[m], published=0.2) for m in models for c in EMOTIONS]
    figure, rows = fig5(table(*cells))
    (axes,) = figure.axes
    shaded = [patch for patch in axes.patches if patch.get_width() == pytest.approx(1)]
    assert sorted(patch.get_x() for patch in shaded) == [2.5, 3.5, 4.5]
    bars = [patch for patch in axes.patches if patch not in shaded]
    assert len(bars) == 18 and {round(bar.get_height(), 3) for bar in bars} == {0.0, 0.1, 0.3}
    texts = [text.get_text() for text in axes.texts]
    assert texts.count("0") == 6 and texts.count("not run") == 6
    assert len(rows) == 24
    legible(figure)


def test_an_ablation_has_a_panel_for_each_column_that_ran():
    cells = [
        *(cell("Full Model", c, 0.4, published=0.384) for c in ("Val-BalAcc", "AUROC")),
        *(cell("No VAE", c, 0.3) for c in ("Val-BalAcc", "AUROC")),
        *(cell(row, "Lat. (ms)") for row in ("Full Model", "No VAE")),
        cell("Full Model", "Δ", status="not_applicable", reason=None),
        cell("No VAE", "Δ", -0.1),
    ]
    figure, rows = ablation(table(*cells))
    assert [axes.get_xlabel() for axes in figure.axes] == ["Val-BalAcc", "AUROC", "Δ"]
    assert bar_lengths(figure.axes[0], vertical=False) == [0.4, 0.3]
    assert bar_lengths(figure.axes[2], vertical=False) == [-0.1] and words(figure.axes[2]) == ""
    assert {row["column"] for row in rows} == {"Val-BalAcc", "AUROC", "Δ"}
    legible(figure)


def test_an_ablation_says_what_no_difference_means_and_which_columns_are_lost():
    pair = {"metric": "val_balanced_accuracy minus"}
    own = [cell("Full Model", "F1", 0.3), cell("No CFG", "F1", 0.3)]
    same, _ = ablation(table(*own, cell("No CFG", "Δ", 0.0, half=0.0, **pair)))
    assert "both models answer alike" in below(same)
    lost, _ = ablation(table(*own, cell("No CFG", "Δ", **pair)))
    assert f"Not run: Δ of No CFG ({LOST})." in below(lost) and "alike" not in below(lost)


DRAWERS = {"fig3": fig3, "fig5": fig5, "fig9": fig9, "fig11": fig11, "fig12": fig12}
DRAWERS |= {"ablation": ablation, "robustness": robustness}


@pytest.mark.parametrize("name", DRAWERS)
def test_a_figure_of_which_nothing_ran_says_why(name):
    columns = ("Total (M)", "Val-BalAcc") if name == "fig9" else ("Δ clean",)
    figure, rows = DRAWERS[name](table(*(cell("Emotion", column) for column in columns)))
    assert words(figure.axes[0]) == f"not run {LOST}" and rows[0]["reason"] == LOST
    legible(figure)


def test_fig4_draws_every_curve_and_its_peak(tmp_path):
    made = {"Full Model": [0.2, 0.4, 0.3], "TFN": [0.1, 0.2, 0.25], "No VAE (deterministic)": [0.3, 0.2, 0.1]}
    found = [
        course(tmp_path / "recognizers" / run(tmp_path, recognizer(seed=i), values), name)
        for i, (name, values) in enumerate(made.items())
    ]
    figure, rows = fig4(table(cell("Full Model", "Val-BalAcc", 0.4), cell("MMIM", "Val-BalAcc")), found)
    (axes,) = figure.axes
    drawn = {line.get_label().partition("  ")[0]: line for line in axes.lines}
    for name, values in made.items():
        np.testing.assert_allclose(drawn[name].get_xydata(), np.c_[[1, 2, 3], values])
    assert [drawn[name].get_markevery() for name in made] == [[1], [2], [0]]
    assert drawn["TFN"].get_linestyle() == "--" and drawn["Full Model"].get_color() == "black"
    assert "Full Model  (0.400, epoch 2)" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert f"Not run: MMIM ({LOST})." in below(figure) and len(rows) == 9
    legible(figure)


def test_lines_differ_in_colour_marker_or_dashes():
    names = ["Full Model", "TFN", "MulT", "MISA", "MMIM", "TETFN", *(f"Without {i}" for i in range(9))]
    assert len(set(line_styles(names))) == len(names)


def test_fig10_says_how_far_seeds_lie_apart_and_shows_the_published_peak(tmp_path):
    curves = ([0.2, 0.4, 0.3], [0.2, 0.3, 0.35], [0.2, 0.4, 0.3])
    found = [
        course(tmp_path / "recognizers" / run(tmp_path, recognizer(seed=i), values), f"Seed {i}")
        for i, values in enumerate(curves)
    ]
    asked = [
        cell("Seed 0", "Val-BalAcc", 0.4, published=0.384),
        cell("Seed 0", "Peak epoch", 2, published=28),
    ]
    figure, rows = fig10(table(*asked), found)
    assert "up to 0.100 apart" in below(figure) and len(rows) == 9
    assert (28, 0.384) in [tuple(line.get_xydata()[0]) for line in figure.axes[0].lines]
    assert "identical" in apart([found[0], found[2]])
    assert "published, on CMU-MOSEI" in [text.get_text() for text in figure.legends[0].get_texts()]
    legible(figure)


def test_figs_6_to_8_draw_what_the_run_logged(trained):
    weights = table(cell("Full Model", "Text", 0.4, None, published=0.40))
    figure, rows = fig6(weights, trained)
    text = [row["weight"] for row in rows if row["modality"] == "text"]
    np.testing.assert_allclose(text, [0.4, 0.41, 0.419, 0.4271])
    shares = [row["column_sum_share"] for row in rows if row["epoch"] == 1]
    np.testing.assert_allclose(shares, [0.8 / 2.1, 0.7 / 2.1, 0.6 / 2.1])
    legible(figure)
    figure, rows = fig7(table(cell("Full Model", "Task", 0.4, None)), trained)
    assert {row["loss"] for row in rows} == {"task", "diffusion", "kl", "causal"}
    np.testing.assert_allclose([row["value"] for row in rows if row["loss"] == "causal"], 0.02)
    dotted = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    assert dotted.count(0) == 1 and 20 not in dotted
    legible(figure)
    figure, rows = fig8(table(cell("Full Model", "γ", 1, None)), "code", trained, 64)
    diffusion = {row["epoch"]: row["schedule"] for row in rows if row["weight"] == "diffusion"}
    assert (diffusion[9], diffusion[19], diffusion[29]) == (0, 0.5, 1)
    logged = [row["logged"] for row in rows if row["weight"] == "kl"][:5]
    assert logged == [0, pytest.approx(1 / 30), pytest.approx(2 / 30), 0.1, None]
    legible(figure)


def test_the_warm_up_is_where_the_diffusion_ramps():
    assert warmup("paper") == (0, 20) and warmup("code") == (9, 29) and warmup("none") is None


def test_figs_6_and_7_without_a_run_say_why_and_fig8_keeps_its_schedule():
    lost = table(cell("Full Model", "Text"))
    for drawn in (fig6, fig7):
        figure, rows = drawn(lost, None)
        assert words(figure.axes[0]) == f"not run {LOST}" and rows == [{"reason": LOST}]
    figure, rows = fig8(lost, "paper", None, 64)
    assert len(figure.axes[0].lines) == 2 and f"Not run: all ({LOST})." in below(figure)


def sized(size, score, name):
    return [cell(name, "Total (M)", size, None, unit="M"), cell(name, "Val-BalAcc", score, published=None)]


def test_the_front_holds_what_nobody_beats():
    assert front([(2, 0.3), (1, 0.2), (3, 0.3), (1, 0.1), (4, 0.4)]) == [(1, 0.2), (2, 0.3), (4, 0.4)]


def test_fig9_names_every_point_where_no_other_label_stands():
    crowd = {"TFN": (0.64, 0.25), "MulT": (0.76, 0.28), "MISA": (0.15, 0.28), "Classifier Only": (1.47, 0.3)}
    crowd |= {"No Diffusion": (1.47, 0.305), "No VAE": (8.92, 0.36), "Full Model": (8.92, 0.362)}
    figure, rows = fig9(table(*(own for name, at in crowd.items() for own in sized(*at, name))))
    figure.canvas.draw()
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert {text.get_text() for text in axes.texts} == set(crowd)
    assert "Samples: 40 of synthetic_mosei (test)." in below(figure)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(box.x1 <= axes.get_window_extent().x1 for box in boxes)
    on_front = {row["model"] for row in rows if row["on_front"]}
    assert on_front == {"MISA", "Classifier Only", "No Diffusion", "Full Model"} - {"Classifier Only"}
    legible(figure)


def test_fig9_names_the_published_points_too():
    own = [
        cell("TFN", "Total (M)", 0.1, None, published=0.64),
        cell("TFN", "Val-BalAcc", 0.3, published=0.25),
    ]
    figure, _ = fig9(table(*own))
    figure.canvas.draw()
    assert sorted(text.xy for text in figure.axes[0].texts) == [(0.1, 0.3), (0.64, 0.25)]
    legible(figure)


def test_fig11_has_up_and_down_in_two_colours():
    changes = {"Clean": None, "Missing text": -0.01, "Missing audio": 0.02, "Missing vision": None}
    figure, rows = fig11(table(*(cell(row, "Δ clean", value) for row, value in changes.items())))
    (axes,) = figure.axes
    drawn = {
        round(p.get_width(), 3): to_hex(p.get_facecolor(), keep_alpha=False).upper() for p in axes.patches
    }
    assert drawn == {-0.01: WORSE, 0.02: BETTER}
    assert [row["row"] for row in rows] == ["Missing text", "Missing audio", "Missing vision"]
    assert "not run" in words(axes)
    legible(figure)


def test_robustness_has_a_line_a_model_and_gaps_where_nothing_ran():
    conditions = ("Clean", "Missing text", "Noise σ = 0.1")
    cells = [
        cell(model, condition, None if (model, condition) == ("TFN", "Missing text") else 0.2 + 0.1 * j)
        for model in ("TFN", "Full Model")
        for j, condition in enumerate(conditions)
    ]
    figure, rows = robustness(table(*cells))
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    np.testing.assert_allclose(lines["Full Model"], [0.2, 0.3, 0.4])
    np.testing.assert_allclose(lines["TFN"], [0.2, np.nan, 0.4])
    assert len(rows) == 6
    legible(figure)


def coupled(root, seed=42):
    """Without the prior; with it and nothing apart; with both apart, which is the same training."""
    plain = [0.2, 0.3, 0.4]
    made = [
        (recognizer(seed, prior_width=0), plain),
        (recognizer(seed), [0.2, 0.25, 0.5]),
        (recognizer(seed, clip_apart=True, streams_apart=True), plain),
    ]
    return [course(root / "recognizers" / run(root, spec, values), "") for spec, values in made]


def test_coupling_compares_each_setting_with_the_training_without_a_prior(tmp_path):
    found = pairs([*coupled(tmp_path), *coupled(tmp_path, seed=43)])
    assert [(own.apart, own.with_prior.spec.seed, own.without.spec.seed) for own in found] == [
        ((False, False), 42, 42),
        ((False, False), 43, 43),
        ((True, True), 42, 42),
        ((True, True), 43, 43),
    ]
    epochs, difference, same = differences(found[0])
    np.testing.assert_allclose(difference, [0, 0.05, 0.1])
    np.testing.assert_allclose(epochs, [1, 2, 3])
    assert not same and differences(found[2])[2]


def test_coupling_draws_exact_zeros_on_its_axis(tmp_path):
    figure, rows = coupling(table(cell("Nothing shared", "Val-BalAcc", 0.4)), coupled(tmp_path))
    right = figure.axes[1]
    low, high = right.get_ylim()
    assert right.get_yscale() == "symlog" and low < 0 < high
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert any("clipping apart, random streams apart: identical" in label for label in labels)
    assert any("up to 0.1 apart" in label for label in labels) and "without the prior" in labels
    assert [row["difference"] for row in rows if row["identical"]] == [0, 0, 0]
    legible(figure)


def test_coupling_says_where_shared_clipping_changed_nothing(tmp_path):
    made = coupled(tmp_path)
    said = "Identical in spite of shared clipping"
    apart_alone, _ = coupling(table(cell("Nothing shared", "Val-BalAcc", 0.4)), made)
    assert said not in below(apart_alone)
    same = run(tmp_path, recognizer(42, streams_apart=True), [0.2, 0.3, 0.4])
    shared, _ = coupling(
        table(cell("Clipping shared", "Val-BalAcc", 0.4)),
        [*made, course(tmp_path / "recognizers" / same, "")],
    )
    assert said in below(shared)


def test_coupling_without_a_pair_says_why(tmp_path):
    figure, rows = coupling(table(cell("Nothing shared", "Val-BalAcc")), [])
    assert words(figure.axes[0]) == f"not run {LOST}" and rows == [{"reason": LOST}]


def test_fig13_shows_flips_distances_and_one_segment(tmp_path):
    one = read_counterfactuals(answers(tmp_path))
    figure, rows = fig13(table(cell("Full Model", "Flip rate", 40, unit="%")), [one])
    predicted = one.arrays["logits_source"].argmax(1)
    flips = one.arrays["logits_counterfactual"].argmax(2) == np.arange(6)
    shown = {(r["source"], r["target"]): r for r in rows if r["part"] == "flip rate"}
    happy = shown["Happy", "Sad"]
    assert (
        happy["value"] == pytest.approx(flips[predicted == 0, 1].mean())
        and happy["n"] == (predicted == 0).sum()
    )
    assert {own["value"] for (_, target), own in shown.items() if target == "Fear"} <= {0, None}
    moved = {row["target"]: row["value"] for row in rows if row["part"] == "delta norm"}
    assert moved["Sad"] == pytest.approx(np.median(one.arrays["delta_norm"][predicted != 1, 1]))
    (at,) = examples(one)
    assert flips.sum(1)[at] == flips.sum(1).max()
    strip = [row for row in rows if row["segment"] == one.about["segment_ids"][at]]
    before = [row["value"] for row in strip if row["part"] == "probability, before"]
    assert sum(before) == pytest.approx(1)
    assert sum(row["part"].startswith("delta norm at step") for row in strip) == 5 * 20
    legible(figure)


def test_fig15_shows_single_segments_the_most_flipped_first(tmp_path):
    one = read_counterfactuals(answers(tmp_path))
    figure, rows = fig15(table(cell("Full Model", "Flip rate", 40, unit="%")), [one])
    flips = (one.arrays["logits_counterfactual"].argmax(2) == np.arange(6)).sum(1)
    shown = list(dict.fromkeys(row["segment"] for row in rows))
    found = [flips[one.about["segment_ids"].index(segment)] for segment in shown]
    assert len(shown) == 6 and found == sorted(flips, reverse=True)[:6]
    assert len(figure.axes) == 18
    first = [row["value"] for row in rows if row["segment"] == shown[0] and row["part"] == "as it is"]
    assert sum(first) == pytest.approx(1)
    legible(figure)


def test_fig13_of_a_model_without_a_prior_says_why(tmp_path):
    one = read_counterfactuals(answers(tmp_path, label=False))
    figure, rows = fig13(table(cell("Full Model", "Flip rate")), [one])
    assert words(figure.axes[0]) == f"not run {LOST}" and rows[0]["reason"] == LOST


def test_fig14_shows_what_a_swap_changes_and_what_modalities_give(tmp_path):
    one = read_counterfactuals(answers(tmp_path))
    moved = change(one)
    assert (
        np.nanmin(moved) >= 0 and np.nanmax(moved) <= 1 and np.isnan(moved[0, 1]) and moved.shape == (60, 3)
    )
    figure, rows = fig14(table(cell("Full Model", "Attribution, text", 0.4)), [one])
    means = {(r["part"], r["modality"], r["group"]): r["value"] for r in rows if r["segment"] is None}
    assert means["change of the prediction", "audio", "all"] == pytest.approx(np.nanmean(moved[:, 1]))
    own = one.arrays["attribution"][one.arrays["logits_source"].argmax(1) == 1, 2].mean()
    assert means["contribution", "video", "Sad"] == pytest.approx(own)
    text, _, video = (means["change of the prediction", name, "all"] for name in ("text", "audio", "video"))
    assert text > video
    legible(figure)


def test_a_swap_that_leaves_the_distribution_changes_nothing(tmp_path):
    one = read_counterfactuals(answers(tmp_path))
    one.arrays["swap_logits"] = np.repeat(one.arrays["logits_source"][:, None], 3, axis=1)
    np.testing.assert_allclose(change(one), 0, atol=1e-12)


def plan(name, *cells):
    about = {"paper": "affectdiff", "title": "T", "source": "S", "scale": "demo", "reading": "paper"}
    return Plan(name=f"affectdiff_{name}", cells=cells, **about)


def test_courses_are_those_of_the_runs_that_were_trained(tmp_path):
    ran = run(tmp_path, recognizer(), [0.2, 0.3])
    second = run(tmp_path, recognizer(seed=43), [0.2, 0.4])
    failed = recognizer(seed=44).id
    manifest = tmp_path / "recognizers" / failed / "manifest.json"
    write_json(manifest, {"status": "failed", "reason": "diverged"})
    asked = plan(
        "fig4",
        PlannedCell(id="a", row="Full Model", column="Val-BalAcc", runs=(ran, second)),
        PlannedCell(id="b", row="Full Model", column="Peak epoch", runs=(ran, second)),
        PlannedCell(id="c", row="Broken", column="Val-BalAcc", runs=(failed,)),
        PlannedCell(id="d", row="TFN", column="Val-BalAcc", runs=("elsewhere",), not_run=LOST),
    )
    assert [own.name for own in drawer.courses(asked, tmp_path)] == ["Full Model"]
    assert [own.spec.seed for own in drawer.courses(asked, tmp_path, all_runs=True)] == [42, 43]


@pytest.mark.parametrize("name", [*drawer.FIGURES, "affectdiff_ablation_no_vae"])
def test_every_figure_is_drawn_when_nothing_ran(name, tmp_path):
    asked = plan(
        name.removeprefix("affectdiff_"),
        *(PlannedCell(id=c, row="Full Model", column=c, not_run=LOST) for c in ("Total (M)", "Val-BalAcc")),
    )
    measured = table(*(cell("Full Model", own.column) for own in asked.cells), name=name)
    figure, rows = drawer.drawn(asked, measured, tmp_path)
    assert rows and len({tuple(row) for row in rows}) == 1
    if name not in ("affectdiff_fig1", "affectdiff_fig2", "affectdiff_fig8"):
        assert words(figure.axes[0]) == f"not run {LOST}"
