"""The whole DAG at scale ci: it ends, every cell is there, and only what changed runs again."""

import json
import os

import yaml
from facetory.cli.study import load_study
from facetory.pipeline.registry import paper_file


def cells_of(project, table):
    return json.loads((project.results / "tables" / f"{table}.cells.json").read_text())["cells"]


def test_the_users_literal_line_makes_every_table(project):
    assert project.first.returncode == 0
    for table in ("emodc_table1", "emodc_table2", "emodc_table3", "emodc_ablation_alpha"):
        for kind in ("cells.json", "csv", "tex", "html"):
            assert (project.results / "tables" / f"{table}.{kind}").stat().st_size > 0
    for figure in ("emodc_fig5", "emodc_fig6"):
        for kind in ("png", "pdf", "csv", "cells.json"):
            assert (project.results / "figures" / f"{figure}.{kind}").stat().st_size > 0


def test_every_cell_of_the_papers_tables_is_there_with_its_published_value(project):
    for name in ("table1", "table2", "table3"):
        table = paper_file("emodc")["tables"][name]
        cells = {(cell["row"], cell["column"]): cell for cell in cells_of(project, f"emodc_{name}")}
        assert len(cells) == len(table["rows"]) * len(table["columns"])
        for row, keys in table["rows"].items():
            for column, published in zip(table["columns"], keys["published"], strict=True):
                cell = cells[row, column]
                assert cell["published"] == published
                assert cell["status"] == "not_comparable", "renders stand in for the paper's data"
                assert cell["stand_in"]
                assert cell["ci_low"] <= cell["value"] <= cell["ci_high"]
                assert cell["n"] > 0


def test_every_cell_of_smc_is_there_with_a_number_or_a_reason(project):
    for name in ("table1", "table2", "ablation_scheme", "fig5"):
        paper = paper_file("smc")
        layout = {**paper["tables"], **paper["figures"], **paper["ablations"]}[name.removeprefix("ablation_")]
        where = "figures" if name.startswith("fig") else "tables"
        content = json.loads((project.results / where / f"smc_{name}.cells.json").read_text())
        cells = {(cell["row"], cell["column"]): cell for cell in content["cells"]}
        assert len(cells) == len(layout["rows"]) * len(layout["columns"])
        for cell in cells.values():
            assert (cell["value"] is None) == (cell["status"] in ("not_run", "not_applicable"))
            assert cell["reason"] or cell["status"] != "not_run"
        assert sum(cell["value"] is not None for cell in cells.values()) > len(cells) / 2


def test_every_cell_of_affectdiff_is_there_with_a_number_or_a_reason(project):
    paper = paper_file("affectdiff")
    for name in ("table1", "table2", "table5", "table6", "table7", "counterfactuals", "fig6", "fig12"):
        layout = {**paper["tables"], **paper["figures"]}[name]
        where = "figures" if name.startswith("fig") else "tables"
        content = json.loads((project.results / where / f"affectdiff_{name}.cells.json").read_text())
        cells = {(cell["row"], cell["column"]): cell for cell in content["cells"]}
        assert len(cells) == len(layout["rows"]) * len(layout["columns"])
        for cell in cells.values():
            assert (cell["value"] is None) == (cell["status"] in ("not_run", "not_applicable")), cell
            assert cell["reason"] or cell["status"] != "not_run"
            assert cell["status"] not in ("reproduced", "outside"), "a synthetic corpus stands in"
            assert "planted" in cell["budget"] or cell["value"] is None
        assert sum(cell["value"] is not None for cell in cells.values()) > len(cells) / 2


def test_a_prior_apart_leaves_the_classifier_as_it_is(project):
    path = project.results / "tables" / "affectdiff_ablation_coupling.cells.json"
    cells = {(cell["row"], cell["column"]): cell["value"] for cell in json.loads(path.read_text())["cells"]}
    assert cells["Nothing shared", "Trajectory"] == 0
    assert cells["Clipping and stream shared", "Trajectory"] > 0


def test_every_cell_of_adaptdiff_is_there_with_a_number_or_a_reason(project):
    paper = paper_file("adaptdiff")
    layouts = {**paper["tables"], **paper["figures"]}
    layouts |= {f"ablation_{name}": {**paper["ablation"], **own} for name, own in paper["ablations"].items()}
    for name, layout in layouts.items():
        where = "figures" if "fig" in name else "tables"
        content = json.loads((project.results / where / f"adaptdiff_{name}.cells.json").read_text())
        cells = {(cell["row"], cell["column"]): cell for cell in content["cells"]}
        assert len(cells) == len(layout["rows"]) * len(layout["columns"])
        for cell in cells.values():
            told = ("not_run", "not_applicable", "quoted")
            assert (cell["value"] is None) == (cell["status"] in told), cell
            assert cell["reason"] or cell["status"] != "not_run"
            assert cell["status"] not in ("reproduced", "outside"), "renders stand in for the paper's data"


def test_without_guidance_reverse_and_linear_draw_other_faces(project):
    shown = {}
    for row in ("w = 0", "Linear (AdaptDiff)", "Reverse"):
        cells = cells_of(project, "adaptdiff_ablation_schedule")
        shown[row] = next(cell for cell in cells if cell["row"] == row)["runs"][0]
    manifests = [project.results / "syntheses" / run / "manifest.json" for run in shown.values()]
    assert len({json.loads(path.read_text())["files"][0]["sha256"] for path in manifests}) == 3


def test_a_second_run_has_nothing_to_do(project):
    result = project.run("snakemake", "--cores", "2")
    assert "Nothing to be done" in result.stdout + result.stderr


def test_comments_and_mtimes_rerun_nothing(edited):
    loss = "workflow/facetory/emodc/losses.py"
    edited.remember(loss)
    edited.edit(loss, "def base(", "# a remark\n\n\ndef base(")
    for path in edited.results.rglob("*.safetensors"):
        os.utime(path)
    for path in edited.folder.rglob("*.yaml"):
        os.utime(path)
    assert edited.planned() == {}


def test_editing_a_loss_reruns_training_and_what_follows(edited):
    loss = "workflow/facetory/emodc/losses.py"
    edited.remember(loss)
    edited.edit(loss, "return d_p\n", "return 1.0 * d_p\n")
    planned = edited.planned()
    trained = len(list((edited.results / "runs").iterdir()))
    assert planned["train_emodc"] == trained
    assert planned["evaluate_emodc"] >= trained
    assert planned["make_table"] >= 3
    assert not {"align_faces", "encode_latents", "index_dataset", "embed_prompts"} & planned.keys()


def test_editing_a_figure_retrains_nothing(edited):
    figure = "workflow/facetory/emodc/figures.py"
    edited.remember(figure)
    with (edited.folder / figure).open("a") as file:
        file.write("\n\nEDITED = True\n")
    planned = edited.planned()
    assert planned["make_figure"] >= 2
    assert not {"train_emodc", "evaluate_emodc", "make_table"} & planned.keys()


def test_editing_the_sampler_edits_again_and_trains_nothing(edited):
    weights = "workflow/facetory/smc/weights.py"
    edited.remember(weights)
    edited.edit(weights, "return (-(2 * log_weights)", "return 1 * (-(2 * log_weights)")
    planned = edited.planned()
    assert planned["edit_smc"] == len(list((edited.results / "edits").iterdir()))
    assert planned["measure_smc"] == len(list((edited.results / "measures").iterdir()))
    assert not {"train_smc", "train_classifier", "train_emodc", "encode_latents"} & planned.keys()


def test_editing_an_estimate_of_smc_edits_nothing(edited):
    estimates = "workflow/facetory/smc/estimates.py"
    edited.remember(estimates)
    edited.edit(estimates, "1.96 * math.sqrt(", "1.959964 * math.sqrt(")
    planned = edited.planned()
    assert planned["make_table"] >= 2
    assert not {"edit_smc", "measure_smc", "train_smc"} & planned.keys()


def test_editing_a_loss_of_affectdiff_trains_its_models_alone(edited):
    losses = "workflow/facetory/affectdiff/losses.py"
    edited.remember(losses)
    with (edited.folder / losses).open("a") as file:
        file.write("\n\nEDITED = True\n")
    planned = edited.planned()
    assert planned["train_recognizer"] == len(list((edited.results / "recognizers").iterdir()))
    assert planned["score_recognizer"] == len(list((edited.results / "scores").iterdir()))
    assert not {"train_emodc", "train_smc", "align_corpus", "index_corpus"} & planned.keys()


def test_swapping_two_hyper_parameters_reruns_exactly_the_runs_concerned(edited):
    """Run A gets run B's λ1 and B gets A's: names and sets of values stay, specs and so folders change."""
    scale = "workflow/scales/ci.yaml"
    edited.remember(scale)
    content = yaml.safe_load((edited.folder / scale).read_text())
    budget = content["emodc"]["budgets"]["rafdb_basic"]
    budget["steps"], budget["batch_size"] = budget["batch_size"], budget["steps"]
    (edited.folder / scale).write_text(yaml.safe_dump(content, allow_unicode=True))
    concerned = [run for run in (edited.results / "runs").iterdir() if run.name.startswith("anny_basic")]
    trained = [e.train for e in load_study({"scale": "ci"}).evaluations.values() if e.train]
    planned = edited.planned()
    assert planned["train_emodc"] == len(concerned)
    assert planned["evaluate_emodc"] == sum(train.dataset == "anny_basic" for train in trained)


def test_one_ablation_runs_by_its_name_alone(edited):
    (edited.results / "tables" / "emodc_ablation_alpha.html").unlink()
    assert edited.planned("emodc_ablation_alpha").keys() == {"emodc_ablation_alpha", "make_table"}
    edited.run("snakemake", "--cores", "2", "emodc_ablation_alpha")


def test_every_target_has_a_docstring(project):
    listing = project.run("snakemake", "--list-target-rules").stdout
    for target in ("emodc_table1", "emodc_fig6", "emodc_ablation_lambda", "all_tables", "all_figures", "all"):
        line = next(line for line in listing.splitlines() if line.startswith(target))
        following = listing[listing.index(line) + len(line) :].strip()
        assert following, target


def test_verify_finds_a_flipped_byte(edited):
    edited.run("facetory", "verify", "results/ci")
    adapter = next(edited.results.glob("runs/*/adapter.safetensors"))
    edited.remember(adapter.relative_to(edited.folder))
    content = bytearray(adapter.read_bytes())
    content[-1] ^= 1
    adapter.write_bytes(content)
    result = edited.run("facetory", "verify", "results/ci", check=False)
    assert result.returncode == 1
    assert str(adapter.relative_to(edited.folder)) in result.stderr.replace("\n", "")


def test_the_report_holds_every_target_and_its_tables_are_what_the_records_give(project):
    page = (project.results / "report" / "index.html").read_text(encoding="utf-8")
    names = {path.name.removesuffix(".cells.json") for path in project.results.glob("*/*.cells.json")}
    assert len(names) > 90
    assert [name for name in names if name not in page] == []
    project.run("snakemake", "--cores", "2", "verify")


def test_claims_are_judged_and_the_papers_audited(project):
    claims = json.loads((project.results / "claims.json").read_text())["claims"]
    assert {claim["paper"] for claim in claims} == {"emodc", "smc", "affectdiff", "adaptdiff"}
    on_stand_ins = {claim["on_regenerated"]["verdict"] for claim in claims if claim["paper"] == "emodc"}
    assert "not_comparable" in on_stand_ins and not on_stand_ins & {"holds", "fails"}
    audit = json.loads((project.results / "audit.json").read_text())
    assert any(finding["outcome"] == "inconsistent" for finding in audit["findings"])


def test_snakemakes_own_report_is_made(project):
    project.run("snakemake", "--cores", "2", "snakemake_report")
    assert (project.results / "report.zip").stat().st_size > 100_000
