"""Code hashes follow real edits, through imports, and nothing else."""

import json

import pytest
from facetory.pipeline import provenance
from facetory.pipeline.files import FacetoryError, read_json, written_aside


@pytest.fixture
def package(tmp_path, monkeypatch):
    root = tmp_path / "facetory"
    (root / "emodc").mkdir(parents=True)
    (root / "emodc" / "losses.py").write_text('"""Losses."""\ndef base(d):\n    return d\n')
    (root / "emodc" / "train.py").write_text("from facetory.emodc import losses\n\ndef train():\n    pass\n")
    (root / "emodc" / "figures.py").write_text("def draw():\n    return 1\n")
    (root / "emodc" / "__init__.py").write_text("")
    monkeypatch.setattr(provenance, "PACKAGE", root)

    def code(module):
        for cached in (provenance.code_of, provenance._parsed, provenance._imports, provenance._tree_hash):
            cached.cache_clear()
        return provenance.code_of(module)

    yield root, code
    for cached in (provenance.code_of, provenance._parsed, provenance._imports, provenance._tree_hash):
        cached.cache_clear()


def test_editing_a_loss_changes_training_and_not_figures(package):
    root, code = package
    before = code("emodc.train"), code("emodc.figures")
    (root / "emodc" / "losses.py").write_text('"""Losses."""\ndef base(d):\n    return 2 * d\n')
    assert code("emodc.train") != before[0]
    assert code("emodc.figures") == before[1]


def test_comments_docstrings_and_layout_change_nothing(package):
    root, code = package
    before = code("emodc.train")
    text = '"""Other words."""\n# a comment\n\n\ndef base(d):\n    """The error."""\n    return d  # same\n'
    (root / "emodc" / "losses.py").write_text(text)
    assert code("emodc.train") == before


def test_the_stages_of_the_real_package_are_distinct():
    assert provenance.code_of("emodc.losses") != provenance.code_of("emodc.prompts")
    with pytest.raises(ModuleNotFoundError):
        provenance.code_of("emodc.no_such_stage")


def test_a_manifest_is_written_only_when_the_stage_ends_well(tmp_path):
    path = tmp_path / "manifest.json"
    with pytest.raises(RuntimeError), provenance.manifest(path, "train", "{}", ["pipeline.files"]):
        raise RuntimeError
    assert not path.exists()
    (tmp_path / "input").write_text("x")
    with provenance.manifest(path, "train", '{"a":1}', ["pipeline.files"], [tmp_path / "input"]) as record:
        record["status"] = "trained"
    written = read_json(path)
    assert written["spec"] == {"a": 1}
    assert written["status"] == "trained"
    assert len(written["inputs"][str(tmp_path / "input")]) == 64
    assert written["duration_s"] >= 0


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "cells.json"
    path.write_text(json.dumps({"old": True}))
    with pytest.raises(RuntimeError), written_aside(path) as aside:
        aside.write_text("half")
        raise RuntimeError
    assert read_json(path) == {"old": True}
    assert list(tmp_path.iterdir()) == [path]


def test_broken_json_is_named(tmp_path):
    (tmp_path / "cells.json").write_text('{"cells": [')
    with pytest.raises(FacetoryError, match=r"cells\.json: not valid JSON"):
        read_json(tmp_path / "cells.json")
