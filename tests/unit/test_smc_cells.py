"""Measures of edits as cells: hand-computed means, who counts, what is said where nothing was measured."""

import pytest
import smc_records
from facetory.pipeline.config import load_settings
from facetory.pipeline.files import FacetoryError
from facetory.smc import registry
from facetory.smc.cells import table
from facetory.smc.estimates import stored

STUDY = registry.study(load_settings({"scale": "demo"}), lambda name: None, lambda name: None)


@pytest.fixture
def root(tmp_path):
    """Every edit, measure and reconstruction of the demo, fabricated."""
    stored.cache_clear()
    for name, spec in STUDY.edits.items():
        smc_records.edit(tmp_path / "edits" / name, spec, spec.target)
    for name, spec in STUDY.measures.items():
        smc_records.measure(tmp_path / "measures" / name, spec, spec.edit.target)
    for name, spec in STUDY.reconstructions.items():
        smc_records.reconstruction(tmp_path / "reconstructions" / name, spec)
    return tmp_path


def cells(plan, root):
    return {(cell.row, cell.column): cell for cell in table(STUDY.plans[plan], root).cells}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("Emotion score", 0.5),
        ("Judge's score", (0.9 + 0.1 / 6) / 2),
        ("Flip rate", 40.0),
        ("Realism", 0.99),
        ("Identity", 0.6),
        ("Distance", 0.2),
        ("ESS", 2.0),
        ("Unique ancestors", 2.0),
        ("Seconds per image", 0.5),
    ],
)
def test_each_measure_is_the_mean_of_the_faces_that_have_it(root, column, value):
    cell = cells("smc_table1", root)["Guidance scale, 5", column]
    assert cell.value == pytest.approx(value, rel=1e-5)
    assert cell.n == {"Flip rate": 5, "Identity": 5}.get(column, 6)


def test_stand_ins_are_never_the_papers_and_rows_of_ours_are_new(root):
    found = cells("smc_table1", root)
    assert found["Guidance scale, 5", "Emotion score"].status == "not_comparable"
    assert "anny_basic stands in for CelebA-HQ" in found["Guidance scale, 5", "Emotion score"].reason
    assert "guide cnn (paper: vit)" in found["Guidance scale, 5", "Emotion score"].reason
    assert found["Guidance scale, 5", "Flip rate"].status == "new"


def test_the_autoencoder_alone_has_the_judges_score_of_the_reconstruction(root):
    found = cells("smc_table1", root)
    assert found["Autoencoder alone, –", "Judge's score"].value == pytest.approx(0.1)
    assert found["Autoencoder alone, –", "Identity"].value == pytest.approx(0.8)
    assert found["Autoencoder alone, –", "Flip rate"].status == "not_applicable"


def test_a_difference_is_taken_face_by_face(root):
    plan = STUDY.plans["smc_table2"]
    best = next(n for n, m in STUDY.measures.items() if _is_best_of_n_for(m.edit, "happiness"))
    smc_records.measure(root / "measures" / best, STUDY.measures[best], flipped=[True, True, False] * 2)
    stored.cache_clear()
    found = {(c.row, c.column): c for c in table(plan, root).cells}
    cell = found["Literal minus best of N", "Happy, flip rate"]
    assert cell.value == pytest.approx(
        100 * (0 - 1 + 1 - 1 + 1 - 1 + 0) / 5
    )  # the first face is not eligible
    assert cell.n == 5 and cell.ci_low <= cell.value <= cell.ci_high
    assert found["Literal minus best of N", "Sad, flip rate"].value == 0
    assert found["Literal minus best of N", "Cost, per image, shared rows once"].status == "not_applicable"


def _is_best_of_n_for(edit, target):
    return edit.sampler.method == "best_of_n" and edit.target == target


def test_costs_are_those_of_the_rows_that_were_computed(root):
    cost = cells("smc_table2", root)["Corrected", "Cost, per image, shared rows once"]
    assert cost.value == pytest.approx(1000 * (60 + 2 * 30) / 6)
    assert cost.unit == "GMAC"


def test_reconstruction_errors_are_told_by_what_faces_show(root):
    found = cells("smc_reconstruction", root)
    assert found["All faces", "PSNR"].value == pytest.approx(25)
    assert found["Glasses, yes", "PSNR"].value == pytest.approx(30)
    assert found["Glasses, no", "PSNR"].value == pytest.approx(20)
    assert found["Beard, yes", "PSNR"].status == "not_run"


def test_the_same_sets_have_no_frechet_distance_and_others_a_jackknife_interval(root):
    cell = cells("smc_table1", root)["Guidance scale, 5", "Fréchet"]
    assert cell.value > 0 and cell.n == 6


def test_the_parameters_of_the_papers_model_are_its_published_number():
    paper = registry.study(
        load_settings({"scale": "paper", "allow_cpu": True}), lambda name: None, lambda name: None
    )
    (cell,) = table(paper.plans["smc_fig2"], "nowhere").cells
    assert cell.value == pytest.approx(113.675524)
    assert cell.status == "reproduced"


def test_a_measure_that_was_not_run_says_why(root):
    name = next(iter(STUDY.measures))
    smc_records.failed(root / "measures" / name, "its edit was not run: training diverged")
    stored.cache_clear()
    reasons = {c.reason for c in cells("smc_table1", root).values() if c.status == "not_run"}
    assert any("training diverged" in str(reason) for reason in reasons)


def test_changed_records_are_refused(root):
    name = next(iter(STUDY.measures))
    path = root / "measures" / name / "measures.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(FacetoryError, match="differs from the hash in its manifest"):
        cells("smc_table1", root)
