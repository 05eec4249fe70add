"""The SMC benchmark runs, refuses ways that differ where they must not, and counts what it saves."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(FOLDER)
    spec = importlib.util.spec_from_file_location("smc_benchmark", FOLDER / "smc.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "DEMO_FACES", tmp_path / "demo-faces")
    small = {"guide": {"network": "cnn", "size": "small"}, "widths": (8, 8, 8), "px": 32}
    module.Size.__new__.__defaults__ = module.Size(**small, faces=2, particles=6, steps=5, batch_rows=4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return module


def test_it_writes_what_it_measured(benchmark, tmp_path, monkeypatch, capsys):
    output, threads = tmp_path / "docs" / "smc.json", str(torch.get_num_threads())
    asked = ["smc.py", "--repeats", "1", "--threads", threads, "--output", str(output)]
    monkeypatch.setattr(sys, "argv", asked)
    benchmark.main()
    about = json.loads(output.read_text())
    assert about["device"] and about["versions"]["torch"] and about["weights"] == "random"
    assert len(about["load_average"]["after"]) == 3 and about["paper_size"]["status"].startswith("not asked")
    sharing, small, latents, seldom = about["demo"]["comparisons"]
    everyone = 2 * 6 * 5
    for row in (sharing, small, latents, seldom):
        assert row["ratio"] == pytest.approx(row["facetory"] / row["plain"])
        assert row["plain_rows"] == {"unet": everyone, "score": everyone}
    assert sharing["equal_bits"] and sharing["row_ratio"] >= 1.5
    assert sharing["multiply_accumulates_ratio"] == pytest.approx(sharing["row_ratio"])
    assert small["rows"] == latents["rows"] == small["plain_rows"]
    assert latents["multiply_accumulates_ratio"] > 1 and not latents["equal_bits"]
    assert seldom["rows"] == {"unet": everyone, "score": everyone // 5}
    said = capsys.readouterr().out
    assert "sharing duplicates" in said and "Published sizes: not asked for" in said


def test_ways_that_should_agree_and_do_not_stop_it(benchmark, monkeypatch):
    """As they would if a row depended on its neighbours."""
    usual = benchmark.sampled

    def off(z_0, keys, targets, parts, sampler, timesteps):
        found = usual(z_0, keys, targets, parts, sampler, timesteps)
        return found._replace(particles=found.particles + 1e-6 * sampler.share_duplicates)

    monkeypatch.setattr(benchmark, "sampled", off)
    with pytest.raises(SystemExit, match="should agree bit for bit"):
        benchmark.edits(benchmark.Size(), 1)


def test_a_step_is_measured_network_by_network(benchmark):
    found = benchmark.step(benchmark.Size(), "cpu", 1)
    assert set(found["seconds"]) == set(found["multiply_accumulates"])
    assert min(found["seconds"].values()) > 0 and found["rows"] == 2
    costs = {"unet": 1, "decode": 6, "guide": 3, "small decoder": 1, "guide on latents": 1}
    assert benchmark.savings(costs) == {
        "small decoder": 2,
        "guide on latents": 5,
        "resampling every 5 steps": pytest.approx(10 / 2.8),
    }
