"""The curves of stable and diverging CoDiT runs, as their progress.jsonl has them."""

import json

import pytest
import torch
from emodc_street import build, train_spec
from facetory.emodc.instability import curve, draw_instability
from facetory.emodc.train import train_emodc
from facetory.pipeline.files import FacetoryError, write_json
from facetory.report import drawing

DIVERGING = {"lambda_1": 1.5, "lr": 0.3, "lora_targets": ("to_q", "conv_out"), "steps": 200}


def written(folder, lines, **about):
    folder.mkdir(parents=True)
    (folder / "progress.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_json(folder / "manifest.json", {"status": "trained", **about})
    return folder / "progress.jsonl"


@pytest.fixture
def runs(tmp_path):
    steady = [{"step": s, "loss": 0.1, "d_p": 0.12, "d_n": 0.121, "lr": 1e-3} for s in (10, 20, 30)]
    rising = [{"step": s, "loss": 0.1, "d_p": 0.1 * s, "d_n": 0.11 * s} for s in (10, 20)]
    failed = {"status": "failed", "reason": "diverged at step 19"}
    return {
        "CoDiT, λ1 = 0.005": written(tmp_path / "a", steady),
        "CoDiT, λ1 = 1": written(tmp_path / "b", rising, **failed),
    }


def test_what_is_drawn_is_the_runs_progress(runs):
    with drawing.style():
        figure, rows = draw_instability(runs, "foot")
    first, second = runs
    assert [(row["run"], row["step"], row["status"]) for row in rows] == [
        *((first, step, "trained") for step in (10, 20, 30)),
        *((second, step, "failed") for step in (10, 20)),
    ]
    errors, gap = figure.axes
    solid, dashed = errors.lines[0], errors.lines[1]
    assert solid.get_ydata().tolist() == [0.12] * 3 and dashed.get_ydata().tolist() == [0.121] * 3
    crosses = [line.get_xydata().tolist() for line in errors.lines if line.get_marker() == "x"]
    assert crosses == [[[20, 2.0]], [[20, pytest.approx(2.2)]]]
    assert gap.lines[1].get_ydata().tolist() == pytest.approx([0.1, 0.2])


def test_a_diverging_run_is_drawn_to_its_end(tmp_path):
    """From training to the figure: the last point is that of the step that was refused."""
    torch.set_num_threads(1)
    street = build(tmp_path)
    run = tmp_path / "run"
    train_emodc(train_spec(loss="codit", **DIVERGING), **street, folder=run, checkpoints=tmp_path / "c")
    reason = json.loads((run / "manifest.json").read_text())["reason"]
    rows = curve("λ1 = 1.5", run / "progress.jsonl")
    assert rows[-1]["status"] == "failed" and rows[-1]["reason"] == reason
    assert f"diverged at step {rows[-1]['step'] - 1}:" in reason
    assert rows[-1]["d_p"] > 3 * rows[0]["d_p"]


def test_a_run_lost_before_its_first_number_has_no_points(tmp_path):
    path = written(tmp_path / "nan", [{"step": 3}], status="failed", reason="the loss is nan")
    assert curve("λ1 = 1", path) == []
    with drawing.style():
        _, rows = draw_instability({"λ1 = 1": path}, reason="every run was lost")
    assert rows == [{"run": "", "status": "not_run", "reason": "every run was lost"}]


def test_a_run_without_negative_prompts_is_refused(tmp_path):
    path = written(tmp_path / "base", [{"step": 10, "loss": 0.1, "d_p": 0.1}])
    with pytest.raises(FacetoryError, match="no negative prompt"):
        curve("Base", path)


def test_missing_progress_is_named(tmp_path):
    write_json(tmp_path / "manifest.json", {"status": "trained"})
    with pytest.raises(FacetoryError, match=r"progress\.jsonl: the run's progress is missing"):
        curve("CoDiT", tmp_path / "progress.jsonl")
