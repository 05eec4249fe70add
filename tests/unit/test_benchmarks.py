"""The benchmark runs, compares what is equal, and says under what load it was measured."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "evaluation.py"


@pytest.fixture
def benchmark(monkeypatch):
    spec = importlib.util.spec_from_file_location("evaluation_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "TIMESTEPS", module.TIMESTEPS[::7])
    monkeypatch.setattr(module, "IMAGES", 3)
    monkeypatch.setattr(module, "BATCH", 6)
    return module


def test_it_writes_what_it_measured(benchmark, tmp_path, monkeypatch, capsys):
    output = tmp_path / "docs" / "evaluation.json"
    threads = str(torch.get_num_threads())
    monkeypatch.setattr(
        sys, "argv", ["evaluation.py", "--repeats", "1", "--threads", threads, "--output", str(output)]
    )
    benchmark.main()
    about = json.loads(output.read_text())
    assert about["device"] and about["versions"]["torch"] and str(about["threads"]) == threads
    assert len(about["load_average"]["before"]) == 3
    for comparison in about["comparisons"]:
        assert comparison["relative_difference"] < benchmark.TOLERANCE
        assert comparison["ratio"] == pytest.approx(comparison["facetory"] / comparison["plain"])
    assert "AMDiT training step" in capsys.readouterr().out


def test_two_ways_that_differ_are_not_compared(benchmark):
    with pytest.raises(SystemExit, match=r"The two ways differ by 1\.00e-02"):
        benchmark.difference(torch.full((4,), 1.01), torch.ones(4))
    with pytest.raises(SystemExit, match="differ by nan"):
        benchmark.difference(torch.full((4,), torch.nan), torch.ones(4))
