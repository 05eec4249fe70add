"""The coverage of a rehearsal: from fabricated traces, metadata and results to a record and its page."""

import base64
import io
import json
import os
import re
from pathlib import Path

import pytest
from coverage import CoverageData
from facetory.data.catalogue import entries
from facetory.pipeline.files import FacetoryError, write_json
from facetory.pipeline.registry import Plan
from facetory.rehearsal.coverage import Coverage, Item
from facetory.rehearsal.coverage_page import page, summary, write_page
from facetory.rehearsal.evidence import BUILDS_ERROR, Evidence, edited, stages
from facetory.rehearsal.formats import FORMATS, Format, readers_of, unread
from facetory.rehearsal.functions import functions, lines_with
from facetory.rehearsal.gathered import gather
from facetory.rehearsal.reasons import Reasons, reasons
from facetory.rehearsal.rules import jobs, rules
from facetory.rehearsal.traces import Read, Trace, read_trace
from facetory.report.cells import Cell, CellTable, write_cells
from rich.console import Console

ROOT = Path(__file__).resolve().parents[2]
REHEARSED = re.findall(
    r"\w+",
    """
    embed_contexts train_generator draw_identities synthesise gather_synthesis audit_leakage
    measure_separability export_generator index_corpus extract_features align_corpus train_recognizer
    score_recognizer time_recognizers counterfact export_recognizer index_dataset train_emodc
    evaluate_emodc generate_emodc race_emodc time_emodc card_emodc export_emodc align_faces
    place_backbone embed_prompts encode_latents encode_corrupted train_classifier evaluate_classifier
    train_smc distil_decoder sample_smc edit_smc measure_smc reconstruct_smc export_smc make_table
    make_figure make_face_set train_face_recognizer make_benchmark verify_faces plans audit_papers
    judge_claims make_report
    """,
)
"""The rules that a rehearsal has to run."""
KNOWN = {function.full_name: function for function in functions()}
ENTERED = "data.rafdb:read"
COMMAND = {
    "command": ["data", "index"],
    "arguments": "",
    "started": "2026-01-01T00:00:00Z",
    "seconds": 2.5,
    "cpu_seconds": 1.5,
    "peak_rss_mb": 100.0,
    "peak_rss_children_mb": 300.0,
    "cuda_peak_mb": None,
    "status": 0,
}


def ran(*names):
    """The lines of a process that ran all of some functions."""
    lines = {}
    for name in names:
        for statement in KNOWN[name].statements:
            lines[KNOWN[name].file] = lines.get(KNOWN[name].file, 0) | statement
    return lines


def numbers(mask):
    return [line for line in range(mask.bit_length()) if mask >> line & 1]


def write_trace(folder, *processes, commands=(COMMAND,), read=()):
    (folder / "lines").mkdir(parents=True)
    for number, lines in enumerate(processes):
        data = CoverageData(basename=str(folder / "lines" / f"of.{number}"))
        data.add_lines(
            {f"/elsewhere/facetory/workflow/facetory/{file}": numbers(lines[file]) for file in lines}
        )
        data.write()
        data.close()
    (folder / "journal.jsonl").write_text("".join(json.dumps(command) + "\n" for command in commands))
    if read:
        (folder / "readers.jsonl").write_text("".join(json.dumps(each._asdict()) + "\n" for each in read))


def write_metadata(folder, output, rule, started=1.0, ended=4.0, job_hash=7):
    name = base64.urlsafe_b64encode(output.encode()).decode()
    cut = [name[first : first + 254] for first in range(0, len(name), 254)]
    path = folder.joinpath(*(f"@{part}" for part in cut[:-1]), cut[-1])
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"rule": rule, "starttime": started, "endtime": ended, "job_hash": job_hash, "log": ["a.log"]}
    path.write_text(json.dumps(record))


def plan(name="emodc_table1"):
    about = {"paper": "emodc", "title": "Accuracy <b>", "source": "Table I", "reading": "paper", "cells": ()}
    return Plan(name=name, scale="rehearsal", rehearsal=True, **about)


def cells(name="emodc_table1"):
    about = {"command": "snakemake", "reading": "paper", "metric": "accuracy"}
    made = [
        Cell(id="a", row="a", column="a", status="not_comparable", value=1.0, **about),
        Cell(id="b", row="b", column="a", status="not_run", reason="not placed", **about),
    ]
    return CellTable(table=name, title="", source="", scale="rehearsal", reading="paper", cells=made)


@pytest.fixture
def run(tmp_path):
    """A run that indexed one dataset and made one table."""
    results = tmp_path / "results" / "rehearsal"
    spec = {"dataset": "rafdb_basic"}
    manifest = {"spec": spec, "inputs": {"data/a.txt": "0"}, "device": "cuda", "git_commit": "abc123"}
    write_json(results / "datasets" / "rafdb_basic" / "manifest.json", manifest)
    write_cells(results / "tables" / "emodc_table1.cells.json", cells())
    metadata = tmp_path / "metadata"
    for file in ("index.csv", "manifest.json"):
        write_metadata(metadata, f"results/rehearsal/datasets/rafdb_basic/{file}", "index_dataset")
    write_metadata(metadata, "results/demo/tables/emodc_table1.csv", "make_table")
    read = [Read("layout", "ffhq_flat", "read"), Read("layout", "affectnet_npy", "failed", "broken")]
    write_trace(tmp_path / "trace", ran(ENTERED), ran("data.labels:plain_name"), read=read)
    return tmp_path


@pytest.fixture
def found(run):
    plans = {name: plan(name) for name in ("emodc_table1", "emodc_table2")}
    results = run / "results" / "rehearsal"
    return gather(plans, "rehearsal", True, results, run / "trace", run / "metadata")


def item(found, kind, name):
    return next(each for each in found.of(kind) if each.name == name)


def test_rules_are_known_by_their_outputs_at_this_scale(found):
    indexed = item(found, "rule", "index_dataset")
    assert (indexed.state, indexed.facts["jobs"], indexed.facts["seconds"]) == ("ran", 1, 3.0)
    assert item(found, "rule", "make_table").state == "unexplained"
    assert item(found, "rule", "pretrain_identity").state == "explained"


def test_targets_count_their_cells_and_tell_why_some_were_not_run(found):
    made = item(found, "target", "emodc_table1")
    assert made.state == "ran"
    assert made.facts["cells"] == {"not_comparable": 1, "not_run": 1}
    assert made.facts["not_run"] == {"not placed": 1}
    assert item(found, "target", "emodc_table2").state == "unexplained"


def test_datasets_ran_when_they_were_indexed_or_a_layout_was_read(found):
    indexed = item(found, "loader", "rafdb_basic")
    assert indexed.state == "ran"
    assert indexed.facts["functions"][0] == 1
    assert item(found, "loader", "ffhq").state == "ran"
    assert item(found, "loader", "rafdb_compound").state == "unexplained"
    assert item(found, "loader", "anny_basic").state == "explained"


def test_layouts_are_as_the_readers_found_them(found):
    assert item(found, "layout", "ffhq_flat").state == "ran"
    assert item(found, "layout", "affectnet_npy").reason == "broken"
    assert item(found, "layout", "cmu_mosei_flat").state == "unexplained"


def test_modules_tell_what_was_never_entered(found):
    loader = item(found, "module", "data.rafdb")
    assert loader.facts["functions"] == [1, 3]
    assert loader.facts["missed"] == {"_lines": "", "_error": BUILDS_ERROR}
    assert loader.state == "unexplained"
    assert item(found, "module", "cli.warm").state == "explained"


def test_the_record_says_where_it_is_from(found):
    assert (found.devices, found.commits) == (["cuda"], ["abc123"])
    assert found.functions[0] == 2
    (stage,) = found.stages
    assert (stage.verb, stage.seconds, stage.peak_rss_mb, stage.failed) == ("data index", 2.5, 300.0, 0)


def test_stages_add_up_and_tell_failures_from_stops(tmp_path):
    commands = [COMMAND | {"status": status, "cuda_peak_mb": peak} for status, peak in ((75, 5.0), (1, 9.0))]
    write_trace(tmp_path, commands=[COMMAND, *commands])
    (stage,) = stages(read_trace(tmp_path).commands)
    assert (stage.commands, stage.seconds, stage.cuda_peak_mb) == (3, 7.5, 9.0)
    assert (stage.interrupted, stage.failed) == (1, 1)


def test_a_folder_without_a_journal_says_what_to_run(tmp_path):
    with pytest.raises(FacetoryError, match="FACETORY_TRACE"):
        read_trace(tmp_path)


def test_a_broken_line_of_the_journal_is_named(tmp_path):
    write_trace(tmp_path)
    with (tmp_path / "journal.jsonl").open("a") as journal:
        journal.write("{")
    with pytest.raises(FacetoryError, match="line 2"):
        read_trace(tmp_path)


def test_lines_of_a_killed_process_are_counted_as_lost(tmp_path):
    write_trace(tmp_path, ran(ENTERED))
    (tmp_path / "lines" / "of.broken").write_bytes(b"SQLite format 3\0 and no more")
    trace = read_trace(tmp_path)
    assert (trace.lost, len(trace.processes)) == (1, 1)


def test_modules_edited_after_the_trace_are_named(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "old.py").touch()
    write_trace(tmp_path / "trace", ran(ENTERED))
    (package / "new.py").touch()
    os.utime(package / "old.py", (0, 0))
    os.utime(package / "new.py", (4e9, 4e9))
    assert edited(tmp_path / "trace", ["old.py", "new.py", "gone.py"], package) == ["new.py"]


def test_long_outputs_are_split_over_folders(tmp_path):
    output = f"results/rehearsal/{'a' * 300}/manifest.json"
    write_metadata(tmp_path, output, "synthesise")
    (job,) = jobs(tmp_path, "results/rehearsal")
    assert job.output == output


SOURCE = '''
def decorated():
    """Doc."""
    x: int
    if (
        x
        and x
    ):
        return 1
    with x:
        pass
    try:
        x = 2
    except ValueError:
        raise

    @wraps
    def inner():
        return 3

    return inner


class Thing:
    def hollow(self): ...

    def error(self) -> FacetoryError:
        return FacetoryError("a")
'''


def test_functions_are_told_by_their_bodies(tmp_path):
    (tmp_path / "thing.py").write_text(SOURCE)
    outer, inner, error = functions(tmp_path)
    assert [outer.name, inner.name, error.name] == ["decorated", "decorated.inner", "Thing.error"]
    assert [numbers(statement) for statement in outer.statements] == [
        [5, 6, 7, 8],
        [9],
        [10],
        [11],
        [12],
        [13],
        [15],
        [17, 18],
        [21],
    ]
    assert [numbers(statement) for statement in inner.statements] == [[19]]
    assert error.builds_error
    assert not outer.builds_error
    assert outer.ran({"thing.py": 1 << 2 | 1 << 7}) == 1
    assert inner.ran({"thing.py": 1 << 18}) == 0


def test_a_format_needs_one_process_that_ran_all_of_it():
    wanted = Format(("data.rafdb:read", "data.rafdb:_lines"))
    apart = Trace((), (ran("data.rafdb:read"), ran("data.rafdb:_lines")), ())
    together = Trace((), (ran("data.rafdb:read", "data.rafdb:_lines"),), ())
    assert "data.rafdb:" in unread(wanted, apart, KNOWN, ())
    assert unread(wanted, together, KNOWN, ()) is None
    assert "*.bin" in unread(wanted._replace(file="*.bin"), together, KNOWN, ["a/b.pth"])
    assert unread(wanted._replace(file="*.bin"), together, KNOWN, ["a/b.bin"]) is None
    besides = apart._replace(read=(Read("weights", "hubert", "read"),))
    assert unread(wanted._replace(weights="hubert"), besides, KNOWN, ()) is None


def test_a_reader_may_be_a_line():
    full = "recognition.checkpoint:read_weights"
    ((function, mask),) = readers_of(f"{full} > torch.load(", KNOWN)
    assert function is KNOWN[full]
    assert mask == lines_with(function.file, "torch.load(") & mask != 0


@pytest.mark.parametrize("name", FORMATS)
def test_every_reader_that_is_declared_exists(name):
    assert [reader for reader in FORMATS[name].readers if not readers_of(reader, KNOWN)] == []


def test_every_rule_runs_or_has_a_reason():
    names = [rule.name for rule in rules()]
    assert set(REHEARSED) <= set(names)
    assert [name for name in names if name not in REHEARSED and not reasons().of("rules", name)] == []
    assert [name for name in REHEARSED if reasons().of("rules", name)] == []


def test_all_rules_with_an_output_are_found():
    text = "".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    blocks = re.split(r"^ *rule (?=\w+:\n)", text, flags=re.MULTILINE)[1:]
    expected = {block.partition(":")[0] for block in blocks if re.search(r"^ +output:", block, re.MULTILINE)}
    assert {rule.name for rule in rules()} == expected
    assert all(rule.about for rule in rules())


def test_no_reason_is_stale():
    known = {
        "rules": [rule.name for rule in rules()],
        "loaders": list(entries()),
        "formats": list(FORMATS),
        "functions": list(KNOWN),
    }
    assert {section: reasons().stale(section, names) for section, names in known.items()} == {
        section: [] for section in known
    }


def test_the_tests_that_reasons_name_exist():
    every = json.dumps(reasons().model_dump())
    named = set(re.findall(r"tests/\w+/\w+\.py", every))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_a_pattern_without_a_colon_is_a_modules():
    why = Reasons(functions={"cli.*": "people", "data.rafdb:_*": "helpers"})
    assert why.of("functions", "cli.edit:edit") == "people"
    assert why.of("functions", "data.rafdb:_lines") == "helpers"
    assert why.of("functions", "data.rafdb:read") is None
    assert why.stale("functions", ["data.rafdb:read"]) == ["cli.*", "data.rafdb:_*"]


def record(*items):
    about = {"scale": "rehearsal", "rehearsal": True, "date": "2026-01-01T00:00:00Z"}
    return Coverage(
        **about,
        devices=["cpu"],
        commits=[],
        items=list(items),
        stages=[],
        functions=(1, 2),
        statements=(3, 4),
    )


def test_the_page_escapes_names_and_reasons():
    odd = "<script>alert(1)</script>&"
    shown = page(
        record(
            Item(kind="rule", name=odd, about=odd, state="ran"),
            Item(kind="target", name=odd, about=odd, state="unexplained", facts={"not_run": {odd: 1}}),
            Item(kind="module", name=odd, state="explained", facts={"missed": {odd: odd}}),
        )
    )
    assert "<script" not in shown
    assert shown.count("&lt;script&gt;") >= 6


def test_the_page_stands_alone_and_opens_with_the_warning(found, tmp_path):
    shown = write_page(found, tmp_path / "coverage").read_text()
    assert not re.search(r"<script|<link|src=|url\(|@import", shown)
    warning = shown.index("no number means anything")
    assert (
        warning < shown.index("rules ran") < shown.index("Unexplained") < shown.index("Rules of the workflow")
    )
    assert shown.count("<table>") == shown.count("<caption>") == shown.count("<thead>")
    content = json.loads((tmp_path / "coverage" / "coverage.json").read_text())
    assert Coverage.model_validate({key: content[key] for key in Coverage.model_fields}) == found
    assert "no number means anything" in content["about"]


def test_totals_are_sentences():
    ran, told = (Item(kind="rule", name=name, state=name) for name in ("ran", "explained"))
    assert record(ran, told).totals() == [
        "1 of 2 rules ran, 1 did not for a stated reason, none unexplained."
    ]
    odd = Item(kind="rule", name="odd", state="unexplained")
    assert record(ran, odd).totals() == ["1 of 2 rules ran, 1 unexplained."]


def test_the_summary_counts_each_kind(found):
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(summary(found))
    assert re.search(r"rules\W+56\W+1\W+8\W+47", console.export_text())


def test_without_lines_nothing_ran(tmp_path):
    evidence = Evidence(Trace((), (), ()), tmp_path, tmp_path / "metadata", Reasons())
    items = [*evidence.rules(), *evidence.loaders(), *evidence.formats()]
    assert {each.state for each in items} == {"unexplained"}
