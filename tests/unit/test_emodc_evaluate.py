import json

import numpy as np
import pytest
import torch
from emodc_street import CLASSES, build, eval_spec, train_spec
from facetory.emodc import evaluate
from facetory.emodc.evaluate import evaluate_emodc
from facetory.emodc.train import train_emodc
from facetory.metrics.records import read_records
from facetory.pipeline.files import FacetoryError, sha256_of, write_json
from test_emodc_train import kill_when, start


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    torch.set_num_threads(1)
    return build(tmp_path_factory.mktemp("street"))


def manifest_of(folder):
    return json.loads((folder / "manifest.json").read_text())


def test_zero_shot_records(street, tmp_path):
    evaluate_emodc(eval_spec(), **street, run=None, folder=tmp_path, slot="rafdb_basic")
    records = read_records(tmp_path / "clean.safetensors")
    assert records.errors.shape == (12, 4, 3) and records.errors.dtype == np.float32
    assert records.timesteps.tolist() == [9, 99, 499, 899]
    assert records.labels.tolist() == [0, 1, 2] * 4 and records.classes == CLASSES
    assert (records.slot, records.dataset, records.spec["split"]) == ("rafdb_basic", "faces", "test")
    assert manifest_of(tmp_path)["status"] == "evaluated"
    assert manifest_of(tmp_path)["outputs"] == {
        "clean.safetensors": sha256_of(tmp_path / "clean.safetensors")
    }
    assert not list(tmp_path.rglob("0*.safetensors"))


def test_a_trained_adapter_changes_the_errors(street, tmp_path):
    spec = train_spec()
    train_emodc(spec, **street, folder=tmp_path / "run", checkpoints=tmp_path / "checkpoints")
    evaluate_emodc(eval_spec(spec), **street, run=tmp_path / "run", folder=tmp_path / "trained")
    evaluate_emodc(eval_spec(), **street, run=None, folder=tmp_path / "zero_shot")
    trained, zero_shot = (read_records(tmp_path / f / "clean.safetensors") for f in ("trained", "zero_shot"))
    assert not np.allclose(trained.errors, zero_shot.errors, rtol=1e-4)
    assert str(tmp_path / "run" / "adapter.safetensors") in manifest_of(tmp_path / "trained")["inputs"]


def test_a_failed_run_is_not_evaluated(street, tmp_path):
    (tmp_path / "run").mkdir()
    write_json(
        tmp_path / "run" / "manifest.json", {"status": "failed", "reason": "training diverged at step 7"}
    )
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "clean.safetensors").write_bytes(b"of an older run")
    evaluate_emodc(eval_spec(train_spec()), **street, run=tmp_path / "run", folder=tmp_path / "evaluation")
    manifest = manifest_of(tmp_path / "evaluation")
    assert manifest["status"] == "not_run" and "training diverged at step 7" in manifest["reason"]
    assert not (tmp_path / "evaluation" / "clean.safetensors").exists()


def test_timesteps_are_recorded_once_and_sorted(street, tmp_path):
    evaluate_emodc(eval_spec(timesteps=(499, 9, 99, 899, 9)), **street, run=None, folder=tmp_path / "mixed")
    evaluate_emodc(eval_spec(), **street, run=None, folder=tmp_path / "sorted")
    mixed, ordered = (read_records(tmp_path / f / "clean.safetensors") for f in ("mixed", "sorted"))
    assert mixed.timesteps.tolist() == [9, 99, 499, 899]
    np.testing.assert_array_equal(mixed.errors, ordered.errors)


def test_shards_do_not_change_the_records(street, tmp_path, monkeypatch):
    evaluate_emodc(eval_spec(), **street, run=None, folder=tmp_path / "whole")
    monkeypatch.setattr(evaluate, "PAIRS_A_SHARD", 20)
    evaluate_emodc(eval_spec(batch_size=7), **street, run=None, folder=tmp_path / "shards")
    whole, shards = (read_records(tmp_path / f / "clean.safetensors") for f in ("whole", "shards"))
    np.testing.assert_allclose(shards.errors, whole.errors, rtol=2e-5)


def test_a_killed_evaluation_goes_on_and_ends_bit_equal(street, tmp_path, monkeypatch):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    victim = start("evaluate", street, killed, slow=0.2)
    kill_when(victim, lambda: len(list(killed.glob("evaluation/shards/*/0*.safetensors"))) >= 3)
    assert not (killed / "evaluation" / "manifest.json").exists()
    monkeypatch.setattr(evaluate, "PAIRS_A_SHARD", 4)
    calls, measure = [], evaluate.errors_by_class
    monkeypatch.setattr(evaluate, "errors_by_class", lambda *a, **k: calls.append(1) or measure(*a, **k))
    evaluate_emodc(eval_spec(), **street, run=None, folder=killed / "evaluation")
    assert 0 < len(calls) < 12
    evaluate_emodc(eval_spec(), **street, run=None, folder=whole / "evaluation")
    first, second = (read_records(f / "evaluation" / "clean.safetensors") for f in (killed, whole))
    assert first.errors.tobytes() == second.errors.tobytes()


def test_shards_of_other_weights_are_not_used(street, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate, "PAIRS_A_SHARD", 4)
    (tmp_path / "other").mkdir()
    other = build(tmp_path / "other", samples=12)
    text = street["text"].read_bytes()
    other["text"].write_bytes(text[:-4] + b"\x00\x00\x80?")
    monkeypatch.setattr(evaluate.shutil, "rmtree", lambda folder: None)
    evaluate_emodc(eval_spec(), **street, run=None, folder=tmp_path / "a")
    evaluate_emodc(eval_spec(), **other, run=None, folder=tmp_path / "a")
    assert len(list((tmp_path / "a" / "shards").iterdir())) == 2


def test_errors_that_are_not_finite_are_refused(street, tmp_path, monkeypatch):
    measure = evaluate.errors_by_class

    def spoiled(*args, **options):
        errors = measure(*args, **options)
        errors[2, 1, 0] = np.nan
        return errors

    monkeypatch.setattr(evaluate, "errors_by_class", spoiled)
    with pytest.raises(FacetoryError, match="first at sample s2, timestep 99"):
        evaluate_emodc(eval_spec(), **street, run=None, folder=tmp_path)
    assert not (tmp_path / "clean.safetensors").exists()
