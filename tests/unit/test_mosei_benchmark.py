"""The alignment's benchmark runs, and stops when the two ways differ."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from facetory.pipeline.files import FacetoryError

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "mosei_alignment.py"


@pytest.fixture
def benchmark(monkeypatch):
    """Its module under its own name, as the processes that it starts import it."""
    monkeypatch.syspath_prepend(BENCHMARK.parent)
    spec = importlib.util.spec_from_file_location("mosei_alignment", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "mosei_alignment", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "REPEATS", 1)
    return module


def test_it_writes_what_it_measured(benchmark, tmp_path, monkeypatch, capsys):
    output = tmp_path / "docs" / "alignment.json"
    asked = ["mosei_alignment.py", "--videos", "3", "--segments", "2", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", asked)
    benchmark.main()
    about = json.loads(output.read_text())
    assert about["ratio"] == pytest.approx(about["sdk_s"] / about["facetory_s"])
    assert about["cpu_ratio"] == pytest.approx(about["sdk_cpu_s"] / about["facetory_cpu_s"])
    assert about["segments"] >= 3 and about["rows"] > about["segments"]
    assert 0 < about["largest_difference"] <= benchmark.TOLERANCE
    for name in ("sdk_mib", "facetory_mib"):
        assert 0 < about[name]["before"] <= about[name]["peak"]
    assert "3 videos: the SDK" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        ({}, "different segments, for one v"),
        ({"v[0]": dict.fromkeys(("text", "audio", "video"), np.ones((1, 2)))}, r"text is \(2, 2\) here"),
        ({"v[0]": dict.fromkeys(("text", "audio", "video"), np.ones((2, 2)) + 2e-6)}, "differ by 2"),
    ],
)
def test_ways_that_differ_stop_it(benchmark, theirs, said):
    names = ("text", "audio", "video")
    ours = benchmark.Segments(
        dict.fromkeys(names, np.ones((2, 2))),
        dict.fromkeys(names, np.array([0, 2])),
        dict.fromkeys(names, np.ones(2, bool)),
        np.zeros((1, 6)),
        np.zeros(1),
        np.zeros((1, 2)),
        ["v[0]"],
    )
    with pytest.raises(FacetoryError, match=said):
        benchmark.largest_difference(ours, theirs)
