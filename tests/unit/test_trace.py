"""What a traced command leaves behind: a line of the journal and its lines, however it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from facetory.cli import trace, warm
from facetory.pipeline.files import FacetoryError
from facetory.rehearsal.functions import functions, lines_with
from facetory.rehearsal.traces import read_trace

FACETORY = Path(sys.executable).with_name("facetory")


def command(*arguments, folder=None, **options):
    environment = {
        key: value for key, value in os.environ.items() if key not in (warm.VARIABLE, trace.VARIABLE)
    }
    named = {trace.VARIABLE: str(folder)} if folder else {}
    return subprocess.run(
        [FACETORY, *arguments], env=environment | named, capture_output=True, text=True, **options
    )


def journal(folder):
    return [json.loads(line) for line in (folder / trace.JOURNAL).read_text().splitlines()]


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trace") / "of"
    listed = command("data", "list", folder=folder)
    assert listed.returncode == 0, listed.stderr
    failed = command("verify", "x" * 100, folder=folder)
    assert failed.returncode == 1
    assert "no such folder" in failed.stderr
    return folder


def test_every_command_has_its_line(traced):
    listed, failed = journal(traced)
    assert (listed["command"], listed["arguments"], listed["status"]) == (["data", "list"], "", 0)
    assert (failed["command"], failed["arguments"], failed["status"]) == (["verify"], f"{'x' * 59}…", 1)
    assert 0 < listed["cpu_seconds"] < 60
    assert 20 < listed["peak_rss_mb"] < 2000
    assert listed["cuda_peak_mb"] is None


def test_its_lines_are_those_that_it_ran(traced):
    lines = read_trace(traced).lines()
    known = {function.full_name: function for function in functions()}
    assert known["data.catalogue:placed"].ran(lines)
    assert known["cli.data:list_datasets"].ran(lines)
    assert not known["cli.data:fetch"].ran(lines)


def test_a_command_that_fails_leaves_its_lines_too(traced):
    lines = read_trace(traced).lines()
    assert lines["report/unpacked.py"] & lines_with("report/unpacked.py", "no such folder")


def test_nothing_happens_without_the_variable(monkeypatch):
    monkeypatch.delenv(trace.VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, "coverage", None)
    with trace.traced({"data"}):
        pass


def test_without_coverage_py_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv(trace.VARIABLE, str(tmp_path))
    monkeypatch.setitem(sys.modules, "coverage", None)
    with pytest.raises(FacetoryError, match="pip install coverage"), trace.traced({"data"}):
        pass


def test_a_stop_on_purpose_keeps_its_status(monkeypatch, tmp_path):
    class Stopped(FacetoryError):
        status = os.EX_TEMPFAIL

    class Lines:
        def stop(self):
            pass

        save = stop

    monkeypatch.setenv(trace.VARIABLE, str(tmp_path))
    monkeypatch.setattr(trace, "_started", lambda folder: Lines())
    with pytest.raises(Stopped), trace.traced({"emodc"}, ["emodc", "train", "--steps", "2"]):
        raise Stopped("once")
    (line,) = journal(tmp_path)
    assert (line["command"], line["arguments"], line["status"]) == (["emodc", "train"], "--steps 2", 75)


WORKERS = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from facetory.cli.trace import traced
from facetory.pipeline.suggest import unknown

if __name__ == "__main__":
    with traced(()), ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        print(pool.submit(unknown, "word", "a", ["b"], "here").result())
"""


def test_lines_of_spawned_workers_are_recorded(tmp_path):
    """Alignment, rendering and parsing start processes of their own."""
    script = tmp_path / "workers.py"
    script.write_text(WORKERS)
    environment = os.environ | {trace.VARIABLE: str(tmp_path / "trace")}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
    assert "unknown word" in done.stdout, done.stderr
    found = read_trace(tmp_path / "trace")
    assert len(found.processes) == 2
    assert found.lines()["pipeline/suggest.py"]
