"""The separability benchmark runs, and stops where its ways disagree."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from facetory.metrics.verification import measures

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    spec = importlib.util.spec_from_file_location("separability_benchmark", FOLDER / "separability.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.Size.__new__.__defaults__ = (40, 5, 32, 0.5)
    monkeypatch.setattr(module, "alone", lambda way: way())
    return module


def test_both_ways_find_the_same_errors_and_replicates(benchmark):
    for ways in ((benchmark.ours, benchmark.plain), (benchmark.our_intervals, benchmark.plain_intervals)):
        row = benchmark.compared("what", "s", ways, 2)
        assert row["difference"] < 1e-3 and len(row["turns"]) == 2
        assert row["facetory"] > 0 and row["cpu_seconds"]["plain"] > 0 and row["peak_gb"]["plain"] > 0
    assert 0 < benchmark.ours()["errors"][0] < 0.5


def test_the_plain_curve_is_facetory_s(benchmark):
    genuine, impostor = np.array([0.8, 0.4, 0.6, 0.8]), np.repeat([0.2, 0.6, 0.4], 500)
    found = measures(genuine, impostor)
    expected = [found[name] for name in benchmark.ERRORS]
    assert benchmark.plain_errors(genuine, impostor) == pytest.approx(expected, abs=1e-12)


def test_ways_that_disagree_stop_it(benchmark):
    def wrong():
        found = benchmark.ours()
        return found | {"errors": [rate + 1e-4 for rate in found["errors"]]}

    with pytest.raises(SystemExit, match=r"errors differ by 1\.00e-04"):
        benchmark.compared("what", "s", (benchmark.ours, wrong), 1)
