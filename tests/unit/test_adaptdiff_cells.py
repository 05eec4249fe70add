"""AdaptDiff's cells: means over seeds and benchmarks, their intervals, and what forbids a comparison."""

import json

import pytest
from facetory.adaptdiff.cells import mean_of_benchmarks, mean_of_seeds, table
from facetory.adaptdiff.registry import study
from facetory.metrics.bootstrap import Estimate
from facetory.pipeline.config import load_settings
from facetory.report.layout import interval


@pytest.fixture
def demo(monkeypatch):
    monkeypatch.setattr("facetory.adaptdiff.planning.missing_identity", lambda name, root: None)
    away = ("agedb_30", "calfw", "cplfw", "ijbc")
    return study(
        load_settings({"scale": "demo"}), lambda name: name if name in away else None, lambda name: None
    )


def written(root, found, plan):
    """Manifests for every input of a plan: accuracies by benchmark, metrics of separations."""
    specs = {
        **{f"verifications/{key}": spec for key, spec in found.verifications.items()},
        **{f"face_recognizers/{key}": spec for key, spec in found.face_recognizers.items()},
        **{f"syntheses/{key}": spec for key, spec in found.syntheses.items()},
        **{f"separations/{key}": spec for key, spec in found.separations.items()},
        **{f"face_sets/{key}": spec for key, spec in found.face_sets.items()},
    }
    for path in found.plans[plan].inputs:
        spec = specs[path.rpartition("/")[0]]
        content = {"status": "done", "spec": spec.model_dump(mode="json")}
        if path.startswith("verifications/"):
            value = 0.8 if spec.benchmark.dataset == "orl" else 0.6
            content["metrics"] = {
                "accuracy": {"value": value, "low": value - 0.03, "high": value + 0.04, "n": 900}
            }
        if path.startswith("face_recognizers/"):
            content |= {"training": {"epochs": 3}, "data": {"identities": 28}}
        if path.startswith("separations/"):
            content["identities"] = spec.identities
            names = (
                "eer",
                "fmr100",
                "fmr1000",
                "fdr",
                "genuine_mean",
                "genuine_std",
                "impostor_mean",
                "impostor_std",
            )
            content["metrics"] = {name: {"value": 0.25, "low": 0.2, "high": 0.3, "n": 450} for name in names}
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))
    return {(cell.row, cell.column): cell for cell in table(found.plans[plan], root).cells}


def test_an_average_is_over_the_benchmarks_that_ran_and_says_so(tmp_path, demo):
    cells = written(tmp_path, demo, "adaptdiff_table1")
    average = cells["AdaptDiff, 1.0", "Avg"]
    assert average.value == pytest.approx(70)
    assert (average.ci_low, average.ci_high) == (pytest.approx(67), pytest.approx(74))
    assert average.status == "not_comparable" and "mean of 2 benchmarks (paper: 5)" in average.reason
    assert cells["AdaptDiff, 1.0", "LFW"].value == pytest.approx(80)
    assert cells["AdaptDiff, 1.0", "AgeDB"].status == "not_run"


def test_a_cell_tells_what_faces_and_recogniser_it_had(tmp_path, demo):
    cell = written(tmp_path, demo, "adaptdiff_table1")["AdaptDiff, 1.0", "LFW"]
    assert cell.budget["network"] == "small" and cell.budget["first stage"] == "demo-faces"
    for words in (
        "network small (paper: iresnet50)",
        "sampling steps 20 (paper: 200)",
        "orl stands in for LFW",
        "trained on anny_basic (paper: FFHQ)",
    ):
        assert words in cell.reason


def test_quoted_rows_and_dashes_are_kept(tmp_path, demo):
    cells = written(tmp_path, demo, "adaptdiff_table2")
    assert cells["C-WF, DCFace", "LFW"].status == "quoted" and cells["C-WF, DCFace", "LFW"].published == 98.55
    assert cells["FFHQ, ID³", "IJB-C, 1e-5"].status == "not_applicable"


def test_separability_keeps_three_decimals(tmp_path, demo):
    cell = written(tmp_path, demo, "adaptdiff_table3")["FFHQ, AdaptDiff", "EER"]
    assert (cell.value, cell.ci_low, cell.ci_high, cell.n, cell.decimals) == (0.25, 0.2, 0.3, 450, 3)
    assert "judge demo_judge (paper: elasticface_cos)" in cell.reason


def test_separability_of_the_papers_size_is_comparable_whatever_the_size_of_the_sets(tmp_path, monkeypatch):
    monkeypatch.setattr("facetory.adaptdiff.planning.missing_identity", lambda name, root: None)
    found = study(load_settings({"scale": "paper"}), lambda name: None, lambda name: None)
    cell = written(tmp_path, found, "adaptdiff_table3")["FFHQ, AdaptDiff", "EER"]
    assert len(cell.runs) == 3 and cell.budget["compared identities"] == 1000
    assert cell.status == "outside"  # 0.25 is not 0.037


def test_a_failed_generator_gives_its_reason(tmp_path, demo):
    written(tmp_path, demo, "adaptdiff_fig1")
    for manifest in tmp_path.glob("separations/*/manifest.json"):
        manifest.write_text(json.dumps({"status": "failed", "reason": "latents are not finite", "spec": {}}))
    assert {
        cell.reason.partition(": ")[2] for cell in table(demo.plans["adaptdiff_fig1"], tmp_path).cells
    } == {"latents are not finite"}


def test_several_seeds_have_a_standard_deviation(tmp_path, monkeypatch):
    monkeypatch.setattr("facetory.adaptdiff.planning.missing_identity", lambda name, root: None)
    found = study(load_settings({"scale": "paper"}), lambda name: None, lambda name: None)
    written(tmp_path, found, "adaptdiff_table1")
    cell = found.plans["adaptdiff_table1"].cells[0]
    for value, path in zip((0.6, 0.8, 0.7), [p for p in cell.inputs if p.startswith("verif")], strict=True):
        content = json.loads((tmp_path / path).read_text())
        content["metrics"]["accuracy"] |= {"value": value}
        (tmp_path / path).write_text(json.dumps(content))
    measured = table(found.plans["adaptdiff_table1"], tmp_path).cells[0]
    assert (measured.value, measured.sd) == (pytest.approx(70), pytest.approx(10))
    assert interval(measured).startswith("± 10.00 [")


def test_seeds_share_their_pairs_so_their_bounds_are_averaged():
    mean = mean_of_seeds([Estimate(0.8, 0.7, 0.9, 100), Estimate(0.6, 0.5, 0.8, 100)])
    assert mean == pytest.approx(Estimate(0.7, 0.6, 0.85, 100))


def test_benchmarks_share_people_so_no_width_is_lost_either():
    mean = mean_of_benchmarks([Estimate(0.8, 0.77, 0.83, 10), Estimate(0.6, 0.56, 0.64, 20)])
    assert mean == pytest.approx(Estimate(0.7, 0.665, 0.735, 0))
