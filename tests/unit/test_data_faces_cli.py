"""The verbs `facetory data` and `facetory faces`, as a person and as a rule type them."""

import json

import pytest
from drawn import picture, rafdb
from facetory.cli import data, faces
from facetory.data.index import read_index
from facetory.pipeline.config import DatasetSpec, Faces
from facetory.pipeline.files import FacetoryError
from typer.testing import CliRunner

LINES = [f"train_{i:05d}.jpg {i % 7 + 1}" for i in range(14)] + [
    f"test_{i:04d}.jpg {i + 1}" for i in range(7)
]


def typed(app, *arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=True)
    if isinstance(result.exception, FacetoryError):
        raise result.exception
    return result


def test_a_person_indexes_with_a_limit(tmp_path):
    rafdb(tmp_path / "data" / "rafdb" / "basic", LINES)
    arguments = (
        "rafdb_basic",
        "--folder",
        tmp_path / "i",
        "--data-root",
        tmp_path / "data",
        "--limit",
        "train=1",
    )
    result = typed(data.app, "index", *arguments)
    assert result.exit_code == 0 and "licence: research only" in result.stderr
    assert [s.split for s in read_index(tmp_path / "i" / "index.csv")] == ["train"] * 7 + ["test"] * 7


def test_a_rule_passes_its_spec(tmp_path):
    rafdb(tmp_path / "data" / "rafdb" / "basic", LINES)
    spec = DatasetSpec(name="rafdb_basic", sizes={"per_class": {"test": 0}})
    options = ("--spec", spec.canonical(), "--folder", tmp_path / "i", "--data-root", tmp_path / "data")
    assert typed(data.app, "index", *options).exit_code == 0
    assert len(read_index(tmp_path / "i" / "index.csv")) == 14


def test_a_folder_of_ones_own_with_its_own_names(tmp_path):
    picture(tmp_path / "own" / "train" / "joyful" / "a.png")
    options = ("--path", tmp_path / "own", "--label", "joyful=happiness", "--folder", tmp_path / "i")
    assert typed(data.app, "index", "mine", *options).exit_code == 0
    assert read_index(tmp_path / "i" / "index.csv")[0].label == "happiness"


def test_the_list_shows_what_is_usable_and_why_not(tmp_path):
    rafdb(tmp_path / "rafdb" / "basic", LINES)
    shown = typed(data.app, "list", "--data-root", tmp_path).stdout
    assert "Not usable: fer2013 not placed: expected" in shown
    assert "Not usable: rafdb_basic" not in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a dataset, or give --spec"),
        (("rafdb_basic", "--limit", "train"), "--limit train: write it as NAME=VALUE"),
        (("rafdb_basic", "--limit", "train=few"), "--limit train=few: the count must be a whole number"),
        (("rafdb_basc",), "Did you mean 'rafdb_basic'"),
        (("rafdb_basic", "--data-root", "nowhere"), "rafdb_basic not placed: expected nowhere/rafdb/basic"),
    ],
)
def test_wrong_arguments_are_explained(arguments, message):
    with pytest.raises(FacetoryError, match=message):
        typed(data.app, "index", *arguments)


def test_faces_are_aligned_by_options_or_by_spec(tmp_path):
    rafdb(tmp_path / "data" / "rafdb" / "basic", LINES[:7])
    typed(data.app, "index", "rafdb_basic", "--folder", tmp_path / "i", "--data-root", tmp_path / "data")
    index = ("--index", tmp_path / "i" / "index.csv")
    options = ("--align-px", 24, "--margin", 0.3, "--selection", "most_central", "--min-probability", 0.5)
    assert typed(faces.app, "align", *index, "--folder", tmp_path / "a", *options).exit_code == 0
    spec = Faces(px=24, margin=0.3, selection="most_central", min_probability=0.5).model_dump_json()
    assert typed(faces.app, "align", *index, "--folder", tmp_path / "b", "--spec", spec).exit_code == 0
    by_options, by_spec = (
        json.loads((tmp_path / name / "manifest.json").read_text())["spec"] for name in "ab"
    )
    assert (
        by_options == by_spec and by_options["align_px"] == 24 and by_options["selection"] == "most_central"
    )


def test_a_missing_index_is_explained(tmp_path):
    with pytest.raises(FacetoryError, match=r"no such index. Make it with `facetory data index`"):
        typed(faces.app, "align", "--index", tmp_path / "index.csv", "--folder", tmp_path / "faces")


def test_help_shows_examples():
    assert "facetory data index rafdb_basic" in typed(data.app, "index", "--help").stdout
    assert "facetory faces align --index" in typed(faces.app, "align", "--help").stdout
