from dataclasses import replace

import numpy as np
import pytest
from fabricated import cells_of, decided, paper_evaluation
from facetory.emodc.correlation_figure import fig4
from facetory.emodc.correlations import correlation, errors_under, pooled, slope
from facetory.pipeline.files import FacetoryError

TIMESTEPS = (99, 499)


def evaluation(samples=30, seed=0, persons=None):
    """Records with errors around a difficulty of each sample's own; the negatives lie above."""
    spec, random = paper_evaluation(TIMESTEPS, seed), np.random.default_rng(seed)
    labels = np.arange(samples) % 3
    records = decided(np.zeros((samples, 2), int), labels, spec, persons)
    difficulty = random.uniform(0.1, 0.4, (samples, 1, 1))
    errors = difficulty + random.normal(0, 0.01, (samples, 2, 3)) + 0.05 * (1 - np.eye(3)[labels])[:, None]
    extra = difficulty + random.normal(0, 0.01, (samples, 2, 2))
    return replace(records, errors=errors.astype(np.float32), extra=extra.astype(np.float32))


def test_errors_of_each_prompt_by_hand():
    spec = paper_evaluation(TIMESTEPS)
    records = decided(np.zeros((2, 2), int), [0, 2], spec)
    errors = np.array([[[1, 2, 6], [3, 4, 8]], [[5, 7, 0], [5, 9, 2]]], np.float32)
    extra = np.array([[[1, 10], [2, 20]], [[3, 30], [5, 40]]], np.float32)
    records = replace(records, errors=errors, extra=extra)
    assert errors_under(records, TIMESTEPS, "positive").tolist() == [2, 1]
    assert errors_under(records, TIMESTEPS, "negative").tolist() == [5, 6.5]
    assert errors_under(records, TIMESTEPS, "non_class").tolist() == [1.5, 4]
    assert errors_under(records, TIMESTEPS, "null").tolist() == [15, 35]
    assert errors_under(records, (499,), "null").tolist() == [20, 40]


def test_records_without_the_extra_prompts_are_refused():
    with pytest.raises(FacetoryError, match=r"no errors under the null prompt\. Evaluate with extra_prompts"):
        errors_under(replace(evaluation(), extra=None), TIMESTEPS, "null")


@pytest.mark.parametrize("prompt", ["null", "non_class", "negative"])
def test_slope_and_r_are_those_of_numpy(prompt):
    records = evaluation()
    x, y = (errors_under(records, TIMESTEPS, name) for name in ("positive", prompt))
    found, r = slope([records], TIMESTEPS, prompt), correlation([records], TIMESTEPS, prompt)
    assert found.value == pytest.approx(np.polyfit(x, y, 1)[0], rel=1e-9)
    assert r.value == pytest.approx(np.corrcoef(x, y)[0, 1], rel=1e-9)
    assert found.low < found.value < found.high and r.low < r.value < r.high <= 1
    assert found.n == r.n == 30


def test_a_line_has_its_slope_and_r_1_without_doubt():
    records = evaluation()
    own = np.take_along_axis(records.errors, records.labels[:, None, None], 2)
    extra = np.concatenate([own, 2 * own + 1], axis=2)
    records = replace(records, extra=extra)
    assert slope([records], TIMESTEPS, "null")[:3] == pytest.approx((2, 2, 2), rel=1e-5)
    assert correlation([records], TIMESTEPS, "null")[:3] == pytest.approx((1, 1, 1), abs=1e-9)


def test_intervals_resample_people_over_all_seeds():
    alone, paired = ([f"p{i // size}" for i in range(30)] for size in (1, 15))
    wide = slope([evaluation(persons=paired), evaluation(seed=1, persons=paired)], TIMESTEPS, "null")
    narrow = slope([evaluation(persons=alone), evaluation(seed=1, persons=alone)], TIMESTEPS, "null")
    assert wide.n == narrow.n == 60 and wide.value == pytest.approx(narrow.value)
    assert (wide.low, wide.high) != (narrow.low, narrow.high)


def test_samples_that_are_all_alike_have_no_slope():
    records = evaluation()
    flat = replace(records, errors=np.ones_like(records.errors), extra=np.ones_like(records.extra))
    assert np.isnan(slope([flat], TIMESTEPS, "null").value)
    assert np.isnan(correlation([flat], TIMESTEPS, "null").value)


def test_fig4_draws_the_records_and_their_statistics():
    base, amdit = [evaluation()], [evaluation(seed=1), evaluation(seed=2)]
    figure, rows = fig4(cells_of(["Base", "AMDiT"], ["r"]), {"Base": base, "AMDiT": amdit}, TIMESTEPS)
    panels = np.reshape(figure.axes, (2, 3))
    assert [axes.get_title() for axes in panels.flat] == [
        f"({letter}) {model}" for model in ("Base", "AMDiT") for letter in "abc"
    ]
    for line, found in zip(panels, (base, amdit), strict=True):
        for axes, prompt in zip(line, ("null", "non_class", "negative"), strict=True):
            points, identity = axes.lines
            np.testing.assert_allclose(points.get_xdata(), pooled(found, TIMESTEPS, "positive"))
            np.testing.assert_allclose(points.get_ydata(), pooled(found, TIMESTEPS, prompt))
            np.testing.assert_array_equal(identity.get_xdata(), identity.get_ydata())
            text = axes.texts[0].get_text()
            assert f"slope = {slope(found, TIMESTEPS, prompt).value:.3f} [" in text
            assert f"r = {correlation(found, TIMESTEPS, prompt).value:.4f} [" in text
            assert f"n = {30 * len(found)};" in text
    assert "100 % above the line" in panels[0, 2].texts[0].get_text()
    assert "null prompt" in panels[0, 0].get_ylabel() and "c_{nc}" in panels[0, 1].get_ylabel()
    assert len(rows) == 90 and {row["seed"] for row in rows if row["model"] == "AMDiT"} == {1, 2}
    drawn = [row["negative"] for row in rows if row["model"] == "Base"]
    np.testing.assert_allclose(drawn, errors_under(base[0], TIMESTEPS, "negative"))


def test_fig4_says_what_was_not_run():
    found = {"Base": "its training failed: diverged", "AMDiT": [evaluation()]}
    figure, rows = fig4(cells_of(["Base", "AMDiT"], ["r"]), found, TIMESTEPS)
    assert all("its training failed" in axes.texts[0].get_text() for axes in figure.axes[:3])
    assert rows[0] == {
        "model": "Base",
        **dict.fromkeys(("seed", "sample_id", "label", "positive", "null", "non_class", "negative")),
        "not_run": "its training failed: diverged",
    }
    assert rows[1].keys() == rows[0].keys()
