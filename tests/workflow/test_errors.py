"""What a user reads when something is wrong, before any work is done."""

import json

import pytest
from facetory.cli.study import load_study
from facetory.pipeline.config import check_device, load_settings
from facetory.pipeline.files import FacetoryError


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"scael": "demo"}, "unknown key 'scael'.*Did you mean 'scale'"),
        ({"scale": "dmo"}, "unknown scale 'dmo'.*Did you mean 'demo'"),
        ({"slots": {"rafdb_bsic": "orl"}}, "unknown slot 'rafdb_bsic'.*Did you mean 'rafdb_basic'"),
        ({"slots": {"rafdb_basic": "any_basic"}}, "unknown dataset 'any_basic'.*Did you mean 'anny_basic'"),
        ({"reading": "codes"}, "reading"),
        ({"datasets": {"mine": {"pth": "x"}}}, "unknown key 'pth'.*Did you mean 'path'"),
    ],
)
def test_a_wrong_config_names_the_key_and_its_nearest_neighbour(config, message):
    with pytest.raises(FacetoryError, match=message):
        load_study(config)


def test_scale_paper_stops_without_a_gpu_unless_the_cpu_is_allowed(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(FacetoryError, match=r"made for GPUs and none is visible.*allow_cpu"):
        check_device(load_settings({"scale": "paper"}))
    settings = load_settings({"scale": "paper", "allow_cpu": True})
    check_device(settings)
    assert settings.device == "cpu"


def test_a_missing_dataset_gives_not_run_cells_that_say_so(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    study = load_study({"scale": "paper", "data_root": str(tmp_path)})
    cells = study.plans["emodc_table1"].cells
    assert len(cells) == 40
    assert all("rafdb_basic not placed: expected" in cell.not_run for cell in cells)
    assert not study.runs


def test_a_paper_without_a_reading_says_so_in_its_cells_and_the_others_go_on():
    study = load_study({"scale": "demo", "reading": "code"})
    reasons = {cell.not_run for cell in study.plans["emodc_table1"].cells}
    assert len(reasons) == 1 and "EmoDC has no released code" in reasons.pop()
    assert not study.runs and study.settings.name == "demo+code"
    assert {edit.sampler.initial_noise for edit in study.edits.values()} >= {"own"}


def test_a_slot_mapped_to_ones_own_folder_is_a_stand_in(tmp_path):
    (tmp_path / "mine").mkdir()
    config = {"datasets": {"mine": {"path": str(tmp_path / "mine")}}, "slots": {"rafdb_basic": "mine"}}
    settings = load_settings(config)
    assert settings.dataset_of("rafdb_basic") == "mine"
    assert settings.is_stand_in("rafdb_basic")
    assert {run.dataset for run in load_study(config).runs.values()} >= {"mine", "anny_compound"}


def test_specs_are_named_by_what_distinguishes_them_and_shared_runs_train_once():
    study = load_study({"scale": "demo"})
    basic = [spec for spec in study.runs.values() if spec.dataset == "anny_basic"]
    assert len(basic) == 16, "Base, 3 + 2 unstable CoDiT, 3 FMDiT, 3 AMDiT by α, 2 by prompt, 2 for stability"
    assert len({json.dumps(spec.model_dump(mode="json")) for spec in basic}) == 16
    assert all(spec.id.startswith(f"anny_basic-{spec.loss}") for spec in basic)
