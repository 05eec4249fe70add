"""How far a run of Snakemake is: read from a log as Snakemake 9 writes it."""

import json
from datetime import datetime

import pytest
from facetory.cli import status
from facetory.cli.study import load_study
from facetory.pipeline.snakemake_log import is_locked, newest_log, read_log

LOG = """\
Assuming unrestricted shared filesystem usage.

SNAKEMAKE
=========
  Date: 2026-11-30 23:51:50
  Command: .venv/bin/snakemake --cores 2 --config scale=ci

Building DAG of jobs...
Provided cores: 2
Job stats:
job                  count
-----------------  -------
train_emodc              3
evaluate_emodc           2
place_backbone           1
total                    6

Select jobs to execute...
Execute 2 jobs...
[Mon Nov 30 23:52:00 2026]
localrule place_backbone:
    output: results/ci/backbones/demo/manifest.json
    log: results/ci/logs/backbones/demo.log
    jobid: 4
    reason: Missing output files: results/ci/backbones/demo/manifest.json
    wildcards: scale=ci, backbone=demo
    resources: tmpdir=/tmp
[Mon Nov 30 23:52:00 2026]
localrule train_emodc:
    input: results/ci/latents/demo/x/64/clean/train.safetensors
    output: results/ci/runs/first/manifest.json
    log: results/ci/logs/train/first.log
    jobid: 1
    resources: tmpdir=/tmp, gpu=0
[Mon Nov 30 23:52:10 2026]
Finished jobid: 4 (Rule: place_backbone)
1 of 6 steps (17%) done
[Mon Nov 30 23:52:10 2026]
localrule train_emodc:
    output: results/ci/runs/second/manifest.json
    log: results/ci/logs/train/second.log
    jobid: 2
[Mon Nov 30 23:52:20 2026]
Finished jobid: 1 (Rule: train_emodc)
2 of 6 steps (33%) done
[Mon Nov 30 23:52:20 2026]
rule train_emodc:
    output: results/ci/runs/third/manifest.json
    log: results/ci/logs/train/third.log
    jobid: 3
[Tue Dec  1 00:52:30 2026]
Error in rule train_emodc:
    message: None
    jobid: 2
    output: results/ci/runs/second/manifest.json
    log: results/ci/logs/train/second.log (check log file(s) for error details)
    shell:
        facetory emodc train ...
"""
TRIED_AGAIN = """\
Trying to restart job 2.
[Tue Dec  1 00:52:31 2026]
localrule train_emodc:
    output: results/ci/runs/second/manifest.json
    jobid: 2
"""
ENDED = "Complete log(s): /project/.snakemake/log/x.snakemake.log\n"


def test_a_run_is_read_job_by_job():
    run = read_log(LOG)
    assert run.command == ".venv/bin/snakemake --cores 2 --config scale=ci"
    assert run.planned == {"train_emodc": 3, "evaluate_emodc": 2, "place_backbone": 1}
    assert [(job.jobid, job.rule, job.seconds) for job in run.finished] == [
        (4, "place_backbone", 10.0),
        (1, "train_emodc", 20.0),
    ]
    assert [(job.jobid, job.log) for job in run.running] == [(3, "results/ci/logs/train/third.log")]
    assert [(job.jobid, job.output) for job in run.failed] == [(2, "results/ci/runs/second/manifest.json")]
    assert run.remaining() == {"train_emodc": 1, "evaluate_emodc": 2}
    assert run.last == datetime(2026, 12, 1, 0, 52, 30) and not run.ended


def test_a_job_that_is_tried_again_has_not_failed():
    run = read_log(LOG + TRIED_AGAIN)
    assert run.failed == [] and [job.jobid for job in run.running] == [3, 2]
    assert run.remaining() == {"train_emodc": 2, "evaluate_emodc": 2}


def test_nothing_runs_once_a_run_has_ended():
    run = read_log(LOG + ENDED)
    assert run.ended and run.running == [] and len(run.failed) == 1


@pytest.mark.parametrize("cut", range(0, len(LOG), 97))
def test_a_log_may_stop_anywhere(cut):
    run, whole = read_log(LOG[:cut]), read_log(LOG)
    assert len(run.jobs) <= len(whole.jobs) and len(run.finished) <= len(whole.finished)


def test_the_time_left_is_the_mean_of_each_rule_by_the_jobs_side_by_side():
    text = """\
Job stats:
job      count
-----  -------
quick        3
slow         2
total        5

[Mon Nov 30 12:00:00 2026]
rule quick:
    jobid: 1
[Mon Nov 30 12:00:00 2026]
rule slow:
    jobid: 2
[Mon Nov 30 12:00:10 2026]
Finished jobid: 1 (Rule: quick)
[Mon Nov 30 12:00:30 2026]
Finished jobid: 2 (Rule: slow)
"""
    run = read_log(text)
    # 40 seconds of work in 30; a mean of 20; quick (10 + 20) / 2 = 15, slow (30 + 20) / 2 = 25
    assert run.seconds_left() == pytest.approx((2 * 15 + 25) / (40 / 30))
    assert run.end() == datetime(2026, 11, 30, 12, 1, 11, 250000)


def test_before_the_first_job_has_ended_nothing_is_foretold():
    assert read_log(LOG[: LOG.index("Finished")]).seconds_left() is None


def test_the_newest_log_is_one_that_planned_jobs(tmp_path):
    assert newest_log(tmp_path) is None and not is_locked(tmp_path)
    folder = tmp_path / ".snakemake" / "log"
    folder.mkdir(parents=True)
    (folder / "2026-11-30T1.snakemake.log").write_text(LOG)
    (folder / "2026-12-01T1.snakemake.log").write_text("Nothing to be done.\n" + ENDED)
    assert newest_log(tmp_path).name.startswith("2026-11-30")
    (tmp_path / ".snakemake" / "locks").mkdir()
    (tmp_path / ".snakemake" / "locks" / "0.input.lock").touch()
    assert is_locked(tmp_path)


def test_a_run_without_a_lock_stopped_before_its_end():
    run = read_log(LOG)
    states = [status.run_of(run, locked) for locked in (True, False)]
    assert [state["state"] for state in states] == ["running", "stopped before its end"]
    assert states[0]["end"] and len(states[0]["running"]) == 1
    assert states[1]["end"] is None and states[1]["running"] == []
    assert status.run_of(read_log(LOG + ENDED), True)["state"] == "ended"


@pytest.fixture(scope="module")
def study():
    return load_study({"scale": "ci"})


def test_done_is_what_lies_in_the_results(study, tmp_path):
    root = tmp_path / "results" / "ci"
    (root / "tables").mkdir(parents=True)
    (root / "tables" / "emodc_table1.cells.json").write_text("{}")
    about = status.found(study, root, tmp_path)
    assert about["stages"]["make_table"]["done"] == 1
    assert sum(stage["done"] for stage in about["stages"].values()) == 1
    assert about["stages"]["train_emodc"]["jobs"] == len(study.runs)
    assert about["run"] is None and about["slots"]["rafdb_basic"]["dataset"] == "anny_basic"
    json.dumps(about)


def printed(about):
    from rich.console import Console

    console = Console(width=200, record=True, file=None)
    with console.capture() as capture:
        console.print(status.shown(about))
    return capture.get()


def test_slots_are_shown_where_nothing_runs_and_stages_where_something_does(study, tmp_path):
    about = status.found(study, tmp_path, tmp_path)
    assert "rafdb_basic" in printed(about) and "Not run: " in printed(about)
    about["run"] = status.run_of(read_log(LOG), True)
    text = printed(about)
    assert "third.log" in text and "Failed: train_emodc" in text and "minutes left" in text
    assert "rafdb_basic" not in text


def test_a_results_folder_names_its_scale_and_reading(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert status._config_of(tmp_path / "ci+code", []) == {"scale": "ci", "reading": "code"}
    assert status._config_of(None, ["scale=demo"]) == {"scale": "demo"}
