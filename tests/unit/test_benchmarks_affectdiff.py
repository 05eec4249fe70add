"""Affect-Diff's benchmark runs, and compares models that agree."""

import importlib
import json
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from facetory.affectdiff.spec import ModelSpec

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
SMALL = ModelSpec(dims=(5, 4, 3), length=6, hidden=16, layers=1, heads=2, latent=8, prior_width=8)


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    module = importlib.import_module("affectdiff")
    monkeypatch.setattr(module, "SPEC", module.SPEC.model_copy(update={"model": SMALL, "batch_size": 8}))
    monkeypatch.setattr(module, "SEGMENTS", 60)
    yield module
    for name in ("affectdiff", "plain_affectdiff"):
        sys.modules.pop(name)


class Here(nullcontext):
    """A pool whose work is done in this process, one after the other."""

    def __init__(self, *_):
        super().__init__(self)

    def map(self, *args):
        return map(*args)


def test_it_writes_what_it_measured(benchmark, tmp_path, monkeypatch, capsys):
    output = tmp_path / "affectdiff.json"
    monkeypatch.setattr(benchmark, "COMPARISONS", {"two of ours": ((2, 1), (1, 1))})
    monkeypatch.setattr(benchmark, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(sys, "argv", ["affectdiff.py", "--repeats", "1", "--output", str(output)])
    benchmark.main()
    about = json.loads(output.read_text())
    (row,) = about["comparisons"]
    assert row["ratio"] == pytest.approx(row["facetory"] / row["plain"]) and row["plain"] > 0
    assert about["relative_difference"] < benchmark.TOLERANCE and len(about["load_average"]["after"]) == 3
    assert about["early"]["facetory"] > 0 and "two of ours" in capsys.readouterr().out


def test_models_that_differ_stop_it(benchmark, monkeypatch, tmp_path):
    path = tmp_path / "segments.safetensors"
    benchmark.write_segments(path, benchmark.drawn(60, SMALL))
    corpus, usual = benchmark.load(path, benchmark.SPEC), benchmark.plain_model

    def other(model):
        model.classifier.query.data += 5 * model.classifier.query.data.flip(0)
        return usual(model)

    monkeypatch.setattr(benchmark, "plain_model", other)
    with pytest.raises(SystemExit, match="The two models differ"):
        benchmark.agreement(corpus)
