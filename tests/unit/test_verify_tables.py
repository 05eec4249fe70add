"""Verifying results: hashes, tables rebuilt from the records, and what is said of what differs."""

import shutil

import pytest
import reviewed
from facetory.cli.main import app
from facetory.cli.tables import wing
from facetory.cli.verified import verify
from facetory.pipeline.files import FacetoryError, read_json, sha256_of, write_json
from facetory.report.cells import read_cells, write_cells
from facetory.report.plans import NAME, read_plans, write_plans
from facetory.report.rebuilt import first_difference
from facetory.report.tables import write_table
from facetory.smc.estimates import stored
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return reviewed.results(tmp_path_factory.mktemp("whole") / "demo")


@pytest.fixture
def root(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "demo")


def test_results_as_made_are_what_the_records_give(root):
    said = CliRunner().invoke(app, ["verify", str(root)])
    assert said.exit_code == 0, said.exception
    files = len(list(root.glob("evaluations/*/*.safetensors")) + list(root.glob("*/*/e*ts.safetensors")))
    files += len(list(root.glob("measures/*/measures.safetensors")))
    assert f"{files} files match their manifests." in said.output
    # Two tables of four files and two figures' cells; the ablation is both.
    assert "3 tables and figures are what the records give: 10 files, 59 cells." in said.output


def test_tables_are_deterministic(root, tmp_path):
    again = reviewed.results(tmp_path / "again" / "demo")
    for name in (
        "tables/emodc_table2.html",
        "tables/emodc_table2.tex",
        "figures/emodc_fig5.cells.json",
        NAME,
    ):
        assert (again / name).read_bytes() == (root / name).read_bytes()


def test_a_tampered_cell_is_named_with_both_numbers(root):
    path = root / "tables" / "emodc_table2.cells.json"
    content = read_json(path)
    true = content["cells"][1]["value"]
    content["cells"][1]["value"] = 99.0
    write_json(path, content)
    with pytest.raises(FacetoryError) as error:
        verify(root)
    assert f'emodc_table2:"Acc.":"c_p": value is 99.0, the records give {true}' in str(error.value)
    assert "emodc_table2.csv" not in str(error.value)


def test_a_tampered_page_is_named(root):
    path = root / "tables" / "emodc_table2.html"
    path.write_text(path.read_text().replace("Acc.", "Accuracy"))
    with pytest.raises(FacetoryError, match=r"emodc_table2\.html: differs from its cells"):
        verify(root)


def test_a_table_that_was_changed_throughout_is_named_once(root):
    table = read_cells(root / "tables" / "emodc_table2.cells.json")
    table.cells[2].value = 1.0
    write_table(table, root / "tables")
    with pytest.raises(FacetoryError) as error:
        verify(root)
    problem, _ = str(error.value).splitlines()
    assert 'emodc_table2:"Acc.":"∅": value is 1.0' in problem


def test_cells_that_are_no_json_are_named(root):
    (root / "tables" / "emodc_table2.cells.json").write_text("{")
    with pytest.raises(FacetoryError, match=r"emodc_table2\.cells\.json: not valid JSON"):
        verify(root)


def test_the_plans_of_the_whole_study_are_written_beside_its_results(tmp_path):
    said = CliRunner().invoke(
        app, ["table", "plans", "--root", str(tmp_path), "--settings", '{"scale": "demo"}']
    )
    assert said.exit_code == 0, said.exception
    read = read_plans(tmp_path / NAME)
    assert read.config == {"scale": "demo"}
    assert {name.split("_")[0] for name in read.plans} == {"emodc", "smc", "affectdiff", "adaptdiff"}


def test_a_figure_without_cells_is_rebuilt(root):
    plan = reviewed.studies()[0].plans["emodc_fig2"]
    write_cells(root / "figures" / "emodc_fig2.cells.json", wing(plan, "cells").table(plan, root))
    write_plans(root / NAME, {}, {plan.name: plan})
    assert (
        not plan.cells and "1 tables and figures are" in CliRunner().invoke(app, ["verify", str(root)]).output
    )


def test_a_dropped_cell_is_named(root):
    path = root / "figures" / "emodc_fig5.cells.json"
    content = read_json(path)
    del content["cells"][2]
    write_json(path, content)
    with pytest.raises(FacetoryError, match=r'emodc_fig5:"Base":"SFEW-2\.0" is missing'):
        verify(root)


def test_last_digits_of_another_machine_are_told_apart(root):
    path = root / "tables" / "emodc_table2.cells.json"
    table = read_cells(path)
    table.cells[0].ci_high *= 1 + 1e-13
    write_table(table, root / "tables")
    said = CliRunner().invoke(app, ["verify", str(root)])
    assert said.exit_code == 0, said.exception
    assert "1 of them but for digits beyond the ninth" in said.output
    table.cells[0].ci_high += 1e-6
    write_table(table, root / "tables")
    with pytest.raises(FacetoryError, match="ci_high is"):
        verify(root)


def test_a_missing_file_of_a_table_is_named_and_an_unmade_table_is_counted(root):
    (root / "tables" / "emodc_table2.tex").unlink()
    with pytest.raises(FacetoryError, match=r"emodc_table2\.tex: missing"):
        verify(root)
    for path in (root / "tables").glob("emodc_table2.*"):
        path.unlink()
    assert "1 others were not made here." in CliRunner().invoke(app, ["verify", str(root)]).output


def test_a_changed_record_is_refused_by_its_hash(root):
    path = next(root.glob("evaluations/*/clean.safetensors"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(FacetoryError, match=r"clean\.safetensors: differs from its manifest"):
        verify(root)


def test_a_record_that_was_changed_with_its_hash_no_longer_gives_the_table(root):
    name = reviewed.plans()["emodc_table2"].cells[0].evaluations[0]
    other = next(p for p in root.glob("evaluations/*/clean.safetensors") if p.parent.name != name)
    path = root / "evaluations" / name / "clean.safetensors"
    shutil.copyfile(other, path)
    about = read_json(path.with_name("manifest.json"))
    write_json(path.with_name("manifest.json"), about | {"outputs": {path.name: sha256_of(path)}})
    with pytest.raises(FacetoryError, match=r'emodc_table2:"Acc\.":"c_nc": .* the records give'):
        verify(root)


def test_a_missing_record_is_not_passed_over(root):
    stored.cache_clear()
    folder = next(root.glob("measures/*"))
    shutil.rmtree(folder)
    with pytest.raises(FacetoryError, match=r"smc_ablation_noise_strength: .*the file is missing"):
        verify(root)


def test_without_plans_it_says_how_to_make_them(root):
    (root / NAME).unlink()
    with pytest.raises(FacetoryError, match=r"plans\.json: the file is missing.*snakemake plans"):
        verify(root)
    with pytest.raises(FacetoryError, match="no such folder or archive"):
        verify(root / "nowhere")


def test_plans_are_read_as_they_were_written(root, tmp_path):
    read = read_plans(root / NAME)
    assert read.config == {"scale": "demo"}
    assert read.plans == reviewed.plans()
    write_plans(tmp_path / NAME, read.config, read.plans)
    assert (tmp_path / NAME).read_bytes() == (root / NAME).read_bytes()
    plan = next(iter(read.plans.values()))
    had = {"b": 1, "a": (2, 3)}
    told = plan.model_copy(update={"cells": (plan.cells[0].model_copy(update={"budget": had}),)})
    write_plans(tmp_path / NAME, {}, {told.name: told})
    (again,) = read_plans(tmp_path / NAME).plans.values()
    assert list(again.cells[0].budget.items()) == [("b", 1), ("a", [2, 3])]
    write_json(tmp_path / NAME, {"config": {}, "plans": [{"title": "x"}]})
    with pytest.raises(FacetoryError, match=r"plans\.json: plans"):
        read_plans(tmp_path / NAME)


def test_names_that_would_lead_out_of_the_folder_are_refused(root, tmp_path):
    content = read_json(root / NAME)
    content["plans"][0]["name"] = "../../x"
    write_json(tmp_path / NAME, content)
    with pytest.raises(FacetoryError, match=r"'../../x' is no name of a table"):
        read_plans(tmp_path / NAME)
    path = root / "tables" / "emodc_table2.cells.json"
    write_json(path, read_json(path) | {"table": "../../x"})
    with pytest.raises(FacetoryError, match=r"holds the cells of \.\./\.\./x"):
        verify(root)


def test_a_changed_heading_is_a_difference_too(root):
    table = read_cells(root / "tables" / "emodc_table2.cells.json")
    assert first_difference(table, table) is None
    other = table.model_copy(update={"title": "Another title"})
    assert first_difference(table, other) == "its title or heading differs"
