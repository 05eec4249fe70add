"""Explaining a number: its cell, the way back to the data, and commands that can be typed."""

import json
import shlex

import pytest
import reviewed
from facetory.cli.main import app
from facetory.pipeline.config import Config
from facetory.pipeline.files import FacetoryError, read_json, write_json
from facetory.report.archive import write_archive
from facetory.report.explained import commands
from facetory.report.lineage import below, lineage, records_of
from typer.testing import CliRunner

EVALUATION = reviewed.plans()["emodc_table2"].cells[0].evaluations[0]
RECORD = f"evaluations/{EVALUATION}/manifest.json"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = reviewed.results(tmp_path_factory.mktemp("explained") / "demo")
    reviewed.add_origin(root, EVALUATION)
    return root


def explained(*arguments):
    said = CliRunner().invoke(app, ["explain", *map(str, arguments)])
    assert said.exit_code == 0, said.exception
    return said.output


def test_a_number_is_followed_back_to_its_dataset(root):
    about = json.loads(explained(reviewed.CELL, "--root", root, "--json"))
    cell = read_json(root / "tables" / "emodc_table2.cells.json")["cells"][0]
    assert about["cell"] == cell
    assert about["records"] == [RECORD] and about["missing"] == []
    assert [own["path"] for own in about["artefacts"]] == [
        RECORD,
        "runs/r/manifest.json",
        "faces/anny_basic/manifest.json",
        "backbones/demo-backbone/manifest.json",
        "datasets/anny_basic/manifest.json",
    ]
    run = about["artefacts"][1]
    assert (run["stage"], run["seed"], run["device"], run["code"]) == ("emodc train", 3, "cpu", "c0de")
    assert about["artefacts"][0]["inputs"][reviewed.OUTSIDE] == "ab" * 32


def test_what_is_printed_names_the_stand_in_and_the_commands(root):
    text = explained(reviewed.CELL, "--root", root)
    cell = read_json(root / "tables" / "emodc_table2.cells.json")["cells"][0]
    for part in (
        f"{cell['value']:.2f} %",
        "not_comparable (not comparable with the published value)",
        "RAF-DB B: anny_basic, a stand-in",
        "anny_basic stands in for RAF-DB B",
        "emodc train · done · cpu · seed 3 · 1.5 s",
        "code c0de · commit 0123456789ab+changes · python 3.11.7, torch 2.9.0",
        f"from {reviewed.OUTSIDE} abababababab",
        "snakemake --cores 2 emodc_table2\n",
        f"snakemake --cores 2 results/demo/{RECORD}\n",
        f"facetory table make emodc_table2 --root {root}\n",
    ):
        assert part in text, part


def test_an_archive_explains_as_the_results_do(root, tmp_path):
    write_archive(root, tmp_path / "demo.zip")
    there, here = (
        json.loads(explained(reviewed.CELL, "--root", own, "--json")) for own in (root, tmp_path / "demo.zip")
    )
    for about in (there, here):
        del about["commands"]  # they name the folder
    assert here == there


def test_a_star_lists_the_cells_and_a_wrong_name_the_nearest(root):
    listed = explained('emodc_fig5:"AMDiT":*', "--root", root).splitlines()
    assert listed == [f'emodc_fig5:"AMDiT":"{name}"' for name in ("RAF-DB B", "RAF-DB C", "SFEW-2.0")]
    said = CliRunner().invoke(app, ["explain", "emodc_table2:Acc.:c_ncc", "--root", str(root)])
    assert isinstance(said.exception, FacetoryError) and "Did you mean 'c_nc'?" in str(said.exception)


def test_spaces_in_a_label_may_be_left_out(root):
    listed = explained("smc_ablation_noise_strength:Noise strength=0.1:*", "--root", root).splitlines()
    assert listed[0] == 'smc_ablation_noise_strength:"Noise strength = 0.1":"Emotion score"'


def test_a_table_that_was_not_made_is_explained_by_its_plan(root, tmp_path):
    for name in ("plans.json", RECORD):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((root / name).read_bytes())
    about = json.loads(explained('emodc_table2:"Acc.":"c_p"', "--root", tmp_path, "--json"))
    assert about["cell"] is None and about["files"] == []
    assert about["missing"] == about["records"] != [RECORD] and not about["artefacts"]
    text = explained(reviewed.CELL, "--root", tmp_path)
    assert "its table was not made" in text


def test_a_mean_is_measured_from_its_parts():
    plan = reviewed.studies()[0].plans["emodc_table1"]
    mean = next(cell for cell in plan.cells if cell.mean_of)
    parts = [cell for cell in plan.cells if cell.id in mean.mean_of]
    bare = mean.model_copy(update={"evaluations": ()})
    assert set(records_of(plan, bare)) == {path for part in parts for path in records_of(plan, part)}


def test_commands_repeat_the_configuration_that_the_results_had(tmp_path):
    plan = reviewed.plans()["emodc_table2"].model_copy(update={"scale": "paper", "reading": "code"})
    own = {"scale": "paper", "reading": "code", "slots": {"rafdb_basic": "my faces"}}
    found = commands(tmp_path, own, plan, ["evaluations/e/manifest.json"])
    (line,) = found["to remake what it is measured from"]
    words = shlex.split(line)
    assert words[3] == "results/paper+code/evaluations/e/manifest.json"
    given = dict(word.split("=", 1) for word in words[5:])
    assert Config(**{**given, "slots": json.loads(given["slots"])}) == Config(**own)
    assert commands(tmp_path, {"scale": "demo"}, plan, [])["to remake the target"] == [
        "snakemake --cores 2 emodc_table2"
    ]


def test_inputs_are_found_wherever_the_results_lay(tmp_path):
    assert below(tmp_path, "results/demo/runs/r/adapter.safetensors") == "runs/r/adapter.safetensors"
    assert below(tmp_path, "/home/me/results/paper+code/runs/r/x") == "runs/r/x"
    assert below(tmp_path, f"{tmp_path}/runs/r/x") == "runs/r/x"
    assert below(tmp_path, "data/weights/x.pt") is None
    assert below(tmp_path, "results/demo/../../secret/manifest.json") is None


def test_a_way_that_leads_in_a_circle_ends(tmp_path):
    for own, other in (("a", "b"), ("b", "a")):
        inputs = {f"results/demo/runs/{other}/weights": "00"}
        write_json(tmp_path / "runs" / own / "manifest.json", {"inputs": inputs})
    assert list(lineage(tmp_path, ["runs/a/manifest.json"])) == [
        "runs/a/manifest.json",
        "runs/b/manifest.json",
    ]


def test_without_plans_it_says_how_to_make_them(tmp_path):
    said = CliRunner().invoke(app, ["explain", reviewed.CELL, "--root", str(tmp_path)])
    assert isinstance(said.exception, FacetoryError) and "snakemake plans" in str(said.exception)
