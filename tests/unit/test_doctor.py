"""What the doctor finds: a verdict and a remedy for every line."""

import json
from types import SimpleNamespace

import pytest
from facetory.cli import doctor, health
from facetory.cli.main import app
from facetory.cli.study import load_study
from facetory.pipeline.config import load_settings
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def demo():
    return load_study({"scale": "demo"}, ideal=True)


def test_an_old_python_fails():
    assert health.python((3, 10, 4)).verdict == "fail" and "3.11" in health.python((3, 10, 4)).remedy
    assert health.python((3, 11, 0)).verdict == "ok"


def test_packages_are_held_against_their_pins(tmp_path, monkeypatch):
    versions = {"torch": "2.13.0+cu128", "numpy": "2.0.0"}
    monkeypatch.setattr(health, "installed", versions.get)
    pins = tmp_path / "constraints.txt"
    pins.write_text("# a remark\ntorch==2.13.0+cpu\n")
    (found,) = health.packages(pins)
    assert (found.verdict, found.found, found.remedy) == ("ok", "1 of 1 as pinned", "")
    pins.write_text("torch==2.13.0\nnumpy==2.4.6\npeft==0.1\n")
    (found,) = health.packages(pins)
    assert found.verdict == "warn" and found.remedy
    assert found.found == "1 of 3 as pinned; others: numpy 2.0.0 (pinned 2.4.6); not installed: peft"
    (found,) = health.packages(tmp_path / "nowhere.txt")
    assert found.verdict == "warn"


@pytest.mark.parametrize(
    ("config", "verdict"),
    [
        ({"scale": "demo"}, "ok"),
        ({"scale": "paper"}, "fail"),
        ({"scale": "paper", "allow_cpu": True}, "warn"),
    ],
)
def test_a_gpu_is_missed_by_the_scales_that_are_made_for_one(config, verdict, monkeypatch):
    monkeypatch.setattr(health, "nvidia", list)
    (found,) = health.gpus(load_settings(config))
    assert found.verdict == verdict and bool(found.remedy) == (verdict != "ok")


def test_a_gpu_without_bfloat16_is_a_warning_where_it_is_asked_for(monkeypatch):
    listed = [["Tesla V100", "550.1", "16384 MiB", "7.0"], ["H200", "550.1", "143771 MiB", "9.0"]]
    monkeypatch.setattr(health, "nvidia", lambda: listed)
    old, new, *_ = health.gpus(load_settings({"scale": "paper"}))
    assert (old.verdict, new.verdict) == ("warn", "ok")
    assert "no bfloat16" in old.found and "fp16" in old.remedy


def test_a_folder_that_cannot_be_written_fails(tmp_path):
    assert health.results(tmp_path / "results").verdict == "ok"
    (tmp_path / "file").touch()
    assert health.results(tmp_path / "file" / "results").verdict == "fail"


def test_the_disk_is_held_against_what_the_scale_takes(demo, tmp_path, monkeypatch):
    monkeypatch.setattr(health.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
    assert health.disk(tmp_path, demo).verdict == "warn"
    monkeypatch.setattr(health.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**12))
    assert health.disk(tmp_path, demo).verdict == "ok"


def test_what_is_not_placed_is_told_with_its_licence_and_how_to_get_it():
    found = {own.what: own for own in health.placed(load_study({"scale": "paper"}, ideal=True))}
    rafdb = found["dataset rafdb_basic"]
    assert rafdb.verdict == "warn" and "research only" in rafdb.found and "whdeng.cn" in rafdb.remedy
    assert "facetory backbone fetch sd21-base" in found["weights sd21-base"].remedy
    assert found["weights demo_context"].verdict == "ok"


def test_git_that_differs_from_its_commit_is_a_warning(monkeypatch):
    for commit, verdict in ((None, "warn"), ("abc+changes", "warn"), ("abc", "ok")):
        monkeypatch.setattr(health, "git_commit", lambda commit=commit: commit)
        assert health.git().verdict == verdict


def test_a_configuration_that_is_not_valid_is_one_line_that_fails():
    *_, last = doctor.examined(["scale=demmo"])
    assert (last.what, last.verdict) == ("configuration", "fail") and "Did you mean 'demo'?" in last.found


def test_the_exit_status_is_that_of_the_worst_line(monkeypatch):
    for verdict, status in (("warn", 0), ("fail", 1)):
        findings = [health.Finding("CPU", "ok", "2 cores"), health.Finding("x", verdict, "found", "remedy")]
        monkeypatch.setattr(doctor, "examined", lambda given, findings=findings: findings)
        plain = CliRunner().invoke(app, ["doctor"])
        assert plain.exit_code == status and "remedy" in plain.output
        told = CliRunner().invoke(app, ["doctor", "--json"])
        assert told.exit_code == status and json.loads(told.output)[1]["verdict"] == verdict
