from itertools import combinations

import identity_records as made
import numpy as np
import pytest
from facetory.adaptdiff.draw import FIGURES, drawn
from facetory.adaptdiff.histogram_figure import densities_of, density, span
from facetory.adaptdiff.samples_figure import strip
from facetory.adaptdiff.spec import Guidance
from facetory.report import drawing
from matplotlib.colors import to_hex

METRICS = ("eer", "fmr100", "genuine_mean", "genuine_std", "fdr")


@pytest.fixture(autouse=True)
def _house_style():
    with drawing.style():
        yield


def words(axes):
    return " ".join(" ".join(text.get_text() for text in axes.texts).split())


def legible(figure):
    """Every label lies on the sheet and none crosses another."""
    figure.canvas.draw()
    found = [text for text in figure.texts if text.get_text()]
    for legend in figure.legends:
        found += [legend.get_title(), *legend.get_texts()]
    for axes in figure.axes:
        found += [axes.xaxis.label, axes.yaxis.label, axes.title, *axes.texts]
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            low, high = sorted(limits)
            marks = zip(axis.get_majorticklocs(), axis.get_ticklabels(), strict=False)
            found += [label for at, label in marks if low <= at <= high]
    extents = [(t.get_text(), t.get_window_extent().padded(-0.5)) for t in found if t.get_text()]
    assert extents
    for text, box in extents:
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        assert inside, text
    for (one, first), (other, second) in combinations(extents, 2):
        assert not first.overlaps(second), (one, other)


def separated(root, name, lost=()):
    """A figure's cells and plan: each method with its separation, less those that are lost."""
    inputs, cells = {}, []
    for method, guidance in made.METHODS.items():
        inputs[method] = made.separation(root, made.synthesis(guidance), *made.MEANS[method])
        published = made.PUBLISHED[method]
        for metric in METRICS:
            value = None if method in lost else 0.1
            printed = dict(zip(("eer", "fdr"), published, strict=True)).get(metric)
            cells.append(made.cell(method, metric, value, published=printed))
    table = made.table(*cells, name=name)
    return made.plan(name, table, inputs), table


def test_a_density_sums_to_one_and_bins_are_merged():
    np.testing.assert_allclose(density(np.array([1, 1, 2]), 1, np.array([-1, 0, 1, 1.5])), [0.25, 0.25, 1])
    np.testing.assert_allclose(density(np.array([1, 0, 2, 1]), 2, np.array([-1.0, 0, 1])), [0.25, 0.75])
    counts = np.zeros(200, int)
    counts[[0, 199]] = 1, 3
    own = densities_of(
        {"edges": np.linspace(-1, 1, 201), "genuine_counts": counts, "impostor_counts": counts}
    )
    np.testing.assert_allclose(own.edges, np.linspace(-1, 1, 101), atol=1e-12)
    np.testing.assert_allclose(own.genuine[[0, 50, 99]], [12.5, 0, 37.5])
    assert span([own]) == (-1, 1)
    assert span([own._replace(genuine=own.genuine[::-1], edges=own.edges + 0.55)]) == (-0.5, 1)
    assert span([own._replace(edges=own.edges + 0.9)]) == (-0.4, 1)


@pytest.mark.parametrize("name", ["fig1", "fig3"])
def test_histograms_show_every_method_on_the_same_axes(tmp_path, name):
    plan, table = separated(tmp_path, name)
    figure, rows = drawn(plan, table, tmp_path)
    assert [axes.get_title() for axes in figure.axes] == list(made.METHODS)
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in figure.axes}) == 1
    assert figure.axes[0].get_xlim() == (-0.4, 1)
    for method, (mean, std) in made.MEANS.items():
        own = [row for row in rows if row["method"] == method and row["what"] == "genuine density"]
        middle = np.array([(row["left"] + row["right"]) / 2 for row in own])
        share = np.array([row["value"] * (row["right"] - row["left"]) for row in own])
        assert share.sum() == pytest.approx(1, abs=1e-4)
        assert share @ middle == pytest.approx(mean, abs=0.01)
        assert np.sqrt(share @ (middle - mean) ** 2) == pytest.approx(std, abs=0.01)
    assert "EER 0.100 [0.037]" in words(figure.axes[2]) and "FDR 0.100 [5.806]" in words(figure.axes[2])
    assert "anny_people in place of FFHQ" in figure.legends[0].get_title().get_text()
    assert "1,000 genuine scores a panel." in " ".join(text.get_text() for text in figure.texts)
    legible(figure)


def test_a_method_that_did_not_run_says_why_beside_the_others(tmp_path):
    plan, table = separated(tmp_path, "fig3", lost=("NegFaceDiff",))
    figure, rows = drawn(plan, table, tmp_path)
    assert words(figure.axes[1]) == f"not run {made.LOST}" and figure.axes[0].patches
    assert {row["what"] for row in rows if row["method"] == "NegFaceDiff"} == {
        "EER", "FMR100", "G-mean", "G-STD", "FDR"
    }  # fmt: skip
    legible(figure)


def test_fig2_is_the_papers_three_weights(tmp_path):
    table = made.table(made.cell("AdaptDiff", "w"), name="fig2")
    figure, rows = drawn(made.plan("fig2", table, {}), table, tmp_path)
    w = {(row["method"].partition(":")[0], row["timestep"]): row["w"] for row in rows}
    assert [w["AdaptDiff", t] for t in (1000, 750, 500, 0)] == pytest.approx([0, 0.25, 0.5, 1])
    assert {w["IDiff-Face", t] for t in (1000, 1, 0)} == {0}
    assert {w["NegFaceDiff", t] for t in (1000, 1, 0)} == {0.5}
    (axes,) = figure.axes
    assert axes.get_xlim() == (1000, 0)
    assert [to_hex(line.get_color()).upper() for line in axes.lines] == ["#0072B2", "#D55E00", "#E69F00"]
    legible(figure)


def test_w_max_has_a_line_a_schedule_from_the_same_start(tmp_path):
    settings = {"IDiff-Face": Guidance(schedule="none")}
    settings |= {f"NegFaceDiff {w}": Guidance(schedule="constant", w_max=w) for w in (1.0, 0.5)}
    settings |= {f"AdaptDiff {w}": Guidance(w_max=w) for w in (0.5, 1.0)}
    inputs = {row: made.separation(tmp_path, made.synthesis(own), 0.3, 0.1) for row, own in settings.items()}
    cells = []
    for i, row in enumerate(settings):
        cells += [made.cell(row, "eer", 0.1 - 0.01 * i), made.cell(row, "fdr", 3.0 + i)]
        cells.append(made.cell(row, "mean_accuracy", 80.0 + i, unit="%", column="Avg", published=84.0))
        cells.append(made.cell(row, "accuracy", 81.0, unit="%", column="LFW"))
    table = made.table(*cells, made.cell("AdaptDiff 2", "eer"), name="ablation_w_max")
    figure, rows = drawn(made.plan("ablation_w_max", table, inputs), table, tmp_path)
    assert [axes.get_title() for axes in figure.axes] == [
        "EER, lower is better", "FDR, higher is better", "Avg (%), higher is better"
    ]  # fmt: skip
    lines = {line.get_label()[:6]: line for line in figure.axes[1].lines if line.get_label()[0] != "_"}
    np.testing.assert_allclose(lines["NegFac"].get_xydata(), [(0, 3), (0.5, 5), (1, 4)])
    np.testing.assert_allclose(lines["AdaptD"].get_xydata(), [(0, 3), (0.5, 6), (1, 7)])
    told = {(row["row"], row["column"]): (row["schedule"], row["w_max"]) for row in rows}
    assert told["IDiff-Face", "EER"] == ("none", 0) and told["AdaptDiff 2", "EER"] == (None, None)
    assert told["NegFaceDiff 1.0", "LFW"] == ("constant", 1.0)
    assert "published" in [text.get_text() for text in figure.legends[0].get_texts()]
    legible(figure)


def test_an_ablation_has_a_place_a_setting_with_its_interval(tmp_path):
    settings = ("None (IDiff-Face)", "Constant at AdaptDiff's mean, w = 0.5005", "Reverse: w = w_max t/T")
    cells = [
        made.cell(row, metric, None if i == 1 else 0.1 + i)
        for i, row in enumerate(settings)
        for metric in ("eer", "fdr")
    ]
    table = made.table(*cells, name="ablation_schedule")
    figure, rows = drawn(made.plan("ablation_schedule", table, {}), table, tmp_path)
    assert len(figure.axes) == 2 and len(rows) == 6
    for axes in figure.axes:
        points = [tuple(line.get_xydata()[0]) for line in axes.lines if len(line.get_xdata()) == 1]
        assert points == [(0.1, 0), (2.1, 2)]
        spans = [tuple(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2]
        np.testing.assert_allclose(spans, [(0.09, 0.11), (1.89, 2.31)])
        assert words(axes) == "not run"
    legible(figure)


def test_an_ablation_of_samplers_names_the_steps_that_ran(tmp_path):
    steps = {"DDPM, 1000": (1000, 25), "DDIM, 200": (200, 200)}
    cells = [
        made.cell(row, "eer", 0.1).model_copy(update={"steps": asked, "grid": ran})
        for row, (asked, ran) in steps.items()
    ]
    table = made.table(*cells, name="ablation_sampler")
    figure, _ = drawn(made.plan("ablation_sampler", table, {}), table, tmp_path)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["DDPM, 1000 (ran\N{NO-BREAK SPACE}25)", "DDIM, 200"]
    legible(figure)


def test_the_sheet_shows_the_same_identities_of_every_method(tmp_path):
    inputs, cells, numbers = {}, [], {"IDiff-Face": (0, 2, 3, 5, 6), "AdaptDiff": (2, 3, 4, 5, 7)}
    for method, guidance in made.METHODS.items():
        if method in numbers:
            own = made.synthesis(guidance)
            inputs[method] = made.separation(tmp_path, own, 0.3, 0.1)
            made.face_set(tmp_path, own, {i: f"{i:05d}" for i in numbers[method]})
        cells.append(made.cell(method, "eer", 0.1 if method in numbers else None))
    table = made.table(*cells, name="fig_samples")
    figure, rows = drawn(made.plan("fig_samples", table, inputs), table, tmp_path)
    shown = {row["method"]: [] for row in rows}
    for row in rows:
        shown[row["method"]].append((row["identity"], row["image"]))
    expected = [(f"{i:05d}", k) for i in (2, 3, 5) for k in range(4)]
    assert shown["IDiff-Face"] == shown["AdaptDiff"] == expected and shown["NegFaceDiff"] == [(None, None)]
    assert figure.axes[0].get_title() == "identity 00002"
    assert words(figure.axes[3]) == f"not run {made.LOST}"
    title = figure._suptitle.get_text()
    assert "Synthetic" in title and "anny_people in place of FFHQ" in title
    first = next(row for row in rows if row["method"] == "AdaptDiff")
    colour = np.random.default_rng(1).integers(60, 200, (100, 3))[2]
    assert first["luma"] == pytest.approx(colour @ [0.299, 0.587, 0.114], abs=1e-3) and first["contrast"] == 0
    legible(figure)


def test_a_strip_keeps_its_images_apart():
    images = np.arange(2 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 3, 4, 4)
    line = strip(images)
    assert line.shape == (4, 9, 3) and (line[:, 4] == 255).all()
    np.testing.assert_array_equal(line[:, 5:], images[1].transpose(1, 2, 0))


@pytest.mark.parametrize("name", [*FIGURES, "adaptdiff_ablation_negatives"])
def test_every_figure_is_drawn_when_nothing_ran(name, tmp_path):
    name = name.removeprefix("adaptdiff_")
    table = made.table(*(made.cell("AdaptDiff", metric) for metric in ("eer", "fdr")), name=name)
    figure, rows = drawn(made.plan(name, table, {}), table, tmp_path)
    assert rows and len({tuple(row) for row in rows}) == 1
    if name != "fig2":
        assert words(figure.axes[0]) == f"not run {made.LOST}"
