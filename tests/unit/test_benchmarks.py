"""The benchmark runs, compares what is equal, and says where and under what load it was measured."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    spec = importlib.util.spec_from_file_location("emodc_benchmark", FOLDER / "emodc.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "TIMESTEPS", module.TIMESTEPS[::7])
    monkeypatch.setattr(module, "IMAGES", 3)
    monkeypatch.setattr(module, "BATCH", 6)
    monkeypatch.setattr(module, "ACTIVE", (0.5,))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return module


def test_it_writes_what_it_measured(benchmark, tmp_path, monkeypatch, capsys):
    output = tmp_path / "docs" / "emodc.json"
    threads = str(torch.get_num_threads())
    monkeypatch.setattr(
        sys, "argv", ["emodc.py", "--repeats", "1", "--threads", threads, "--output", str(output)]
    )
    benchmark.main()
    about = json.loads(output.read_text())
    assert about["device"] and about["versions"]["torch"] and str(about["threads"]) == threads
    assert len(about["load_average"]["before"]) == 3
    for comparison in about["comparisons"]:
        assert comparison["relative_difference"] < benchmark.TOLERANCE
        assert comparison["ratio"] == pytest.approx(comparison["facetory"] / comparison["plain"])
    assert [row.get("active_fraction") for row in about["comparisons"]] == [None, None, 0.5]
    assert about["full_size"] == {"status": "not yet measured: no GPU"} and about["gpu"] is None
    said = capsys.readouterr().out
    assert "AMDiT training step" in said and "active set, 50% active" in said
    assert "not yet measured: no GPU" in said


def test_full_size_is_measured_alike_at_a_small_size(benchmark):
    """The path that a GPU takes, with the demo's UNet on the CPU."""
    import full_size

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    small = full_size.Size("demo", 64, 8, 24, batch=4, parts=2, rows=(7, 14), product=64, images=2, repeats=2)
    found = full_size.full_size("cpu", small)
    torch.set_num_threads(threads)
    forward, training = found["forward"], found["training"]
    assert found["status"] == "measured" and found["unet_parameters"] == 1_167_976
    assert forward["tflops"] == pytest.approx(2e-3 * forward["gmac"] * forward["rows_per_second"])
    assert forward["mfu"] == pytest.approx(forward["tflops"] / found["matrix_product_tflops"])
    assert training["hours"] == pytest.approx(training["seconds_a_step"] * 30_000 / 3600)
    assert training["published_hours"] == 8.6 and training["peak_memory_gib"] is None
    inference = [
        (row["steps"], row["batch_size"], row["published_milliseconds"]) for row in found["inference"]
    ]
    assert inference == [(1, 1, 29.5), (1, 2, 29.5), (10, 1, 143.0), (10, 2, 143.0)]


def test_the_work_at_full_size_is_counted(benchmark):
    """90.55 GMAC a forward; a training sample is two forwards and a backward that leaves weights alone."""
    import full_size

    forward = full_size.forward_macs(full_size.Size())
    assert forward / 1e9 == pytest.approx(90.55, abs=0.01)
    passes = full_size.training_flops(full_size.Size()) / (2 * forward)
    assert 4 < passes < 4.5


def test_two_ways_that_differ_are_not_compared(benchmark):
    with pytest.raises(SystemExit, match=r"The two ways differ by 1\.00e-02"):
        benchmark.difference(torch.full((4,), 1.01), torch.ones(4))
    with pytest.raises(SystemExit, match="differ by nan"):
        benchmark.difference(torch.full((4,), torch.nan), torch.ones(4))
