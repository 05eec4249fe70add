"""The benchmark of synthesis runs, writes what it measured, and refuses ways that differ."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
from facetory.adaptdiff.spec import Guidance

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    path = FOLDER / "adaptdiff_generation.py"
    spec = importlib.util.spec_from_file_location("adaptdiff_generation", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    small = {"context": 16, "latent": (4, 8, 8), "identities": 2, "images": 3, "steps": 2, "batch_rows": 4}
    module.Size.__new__.__defaults__ = module.Size("ci_idiff", **small)
    monkeypatch.setattr(module, "POOL", 40)
    return module


def test_it_writes_what_it_measured(benchmark, tmp_path, monkeypatch, capsys):
    output = tmp_path / "docs" / "generation.json"
    asked = ["adaptdiff_generation.py", "--repeats", "1", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", [*asked, "--threads", str(torch.get_num_threads())])
    benchmark.main()
    about = json.loads(output.read_text())
    for row in about["comparisons"]:
        assert row["ratio"] == pytest.approx(row["facetory"] / row["plain"])
        assert row["largest_difference"] <= 1 and row["batch_rows"] == 4
    assert [row["what"] for row in about["comparisons"]] == ["demo, guided", "demo, unguided"]
    assert about["negatives"]["pool"] == 40 and about["negatives"]["peak_mb"] > 0
    assert "Negative partners of 40 identities" in capsys.readouterr().out


def test_ways_that_differ_stop_it(benchmark, monkeypatch):
    usual = benchmark.draw
    monkeypatch.setattr(benchmark, "draw", lambda *about: usual(*about) // 2)
    with pytest.raises(SystemExit, match="though they should agree"):
        benchmark.compared("demo", benchmark.Size(), Guidance(), 1)
