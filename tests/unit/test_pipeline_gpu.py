"""GPU leases: disjoint, bounded, and free again however a job ends."""

import os
import signal
import subprocess
import sys
import time

import pytest
from facetory.pipeline import gpu
from facetory.pipeline.files import FacetoryError

HOLD = """
import sys, time
from pathlib import Path
from facetory.pipeline.gpu import lease
locks, report, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
with lease(1, ["0", "1"], locks) as devices:
    began = time.time()
    report.write_text(f"{devices[0]} {began}")
    time.sleep(seconds)
    report.write_text(f"{devices[0]} {began} {time.time()}")
"""


def hold(locks, report, seconds):
    return subprocess.Popen([sys.executable, "-c", HOLD, str(locks), str(report), str(seconds)])


def wait_for(path, seconds=20):
    until = time.time() + seconds
    while not (path.exists() and path.read_text()):
        assert time.time() < until, f"{path} did not appear"
        time.sleep(0.05)


def test_four_jobs_on_two_gpus_never_share_one(tmp_path):
    jobs = [hold(tmp_path, tmp_path / f"job{i}", 0.7) for i in range(4)]
    assert [job.wait(timeout=30) for job in jobs] == [0] * 4
    spans = [(tmp_path / f"job{i}").read_text().split() for i in range(4)]
    assert {device for device, *_ in spans} == {"0", "1"}
    for i, (device, began, ended) in enumerate(spans):
        for other, other_began, other_ended in spans[i + 1 :]:
            overlap = float(began) < float(other_ended) and float(other_began) < float(ended)
            assert not (device == other and overlap)


def test_a_lease_ends_with_kill_9(tmp_path):
    victims = [hold(tmp_path, tmp_path / f"victim{i}", 60) for i in range(2)]
    for i in range(2):
        wait_for(tmp_path / f"victim{i}")
    heir = hold(tmp_path, tmp_path / "heir", 0)
    time.sleep(1)
    assert not (tmp_path / "heir").exists()
    victims[0].send_signal(signal.SIGKILL)
    assert heir.wait(timeout=20) == 0
    assert (tmp_path / "heir").read_text().split()[0] == (tmp_path / "victim0").read_text().split()[0]
    victims[1].kill()


def test_asking_for_more_than_there_are_fails_at_once(tmp_path):
    with pytest.raises(FacetoryError, match=r"asks for 4 GPU\(s\); this machine offers 2 \(0, 1\)"):
        gpu.lease(4, ["0", "1"], tmp_path).__enter__()


def test_a_schedulers_assignment_is_respected(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-abc")
    assert gpu.visible_gpus() == ["5", "GPU-abc"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu.visible_gpus() == []


def test_a_lease_sets_and_restores_the_visible_devices(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,4")
    with gpu.lease(1, locks=tmp_path) as devices:
        assert devices == ["3"]
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3,4"
