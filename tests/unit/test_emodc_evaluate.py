import json

import numpy as np
import pytest
import torch
from emodc_street import CLASSES, build, eval_spec, for_evaluation, train_spec
from facetory.emodc import evaluate
from facetory.emodc.evaluate import evaluate_emodc
from facetory.emodc.train import train_emodc
from facetory.metrics.records import read_records
from facetory.pipeline.files import (
    FacetoryError,
    open_tensors,
    read_metadata,
    sha256_of,
    write_json,
    write_tensors,
)
from test_emodc_train import kill_when, start


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    torch.set_num_threads(1)
    return build(tmp_path_factory.mktemp("street"))


def manifest_of(folder):
    return json.loads((folder / "manifest.json").read_text())


def test_zero_shot_records(street, tmp_path):
    evaluate_emodc(eval_spec(), **for_evaluation(street), run=None, folder=tmp_path, slot="rafdb_basic")
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


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """The street's latents with noise on them."""
    folder = tmp_path_factory.mktemp("noisy")
    with open_tensors(build(folder, corruption="noise30")["latents"]) as handle:
        tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    tensors["mean"] += np.random.default_rng(1).normal(size=tensors["mean"].shape).astype(np.float16)
    write_tensors(folder / "noisy.safetensors", tensors, read_metadata(folder / "train.safetensors"))
    return folder / "noisy.safetensors"


def test_each_corruption_has_its_records_and_the_model_is_loaded_once(street, noisy, tmp_path, monkeypatch):
    loaded, model = [], evaluate.model
    monkeypatch.setattr(evaluate, "model", lambda *a: loaded.append(1) or model(*a))
    both = {**street, "latents": {"clean": street["latents"], "noise30": noisy}}
    evaluate_emodc(eval_spec(corruptions=("clean", "noise30")), **both, run=None, folder=tmp_path / "both")
    assert loaded == [1]
    evaluate_emodc(eval_spec(), **for_evaluation(street), run=None, folder=tmp_path / "clean")
    clean, noised = (read_records(tmp_path / "both" / f"{c}.safetensors") for c in ("clean", "noise30"))
    alone = read_records(tmp_path / "clean" / "clean.safetensors")
    np.testing.assert_array_equal(clean.errors, alone.errors)
    assert noised.sample_ids == clean.sample_ids and not np.allclose(noised.errors, clean.errors, rtol=1e-3)
    manifest = manifest_of(tmp_path / "both")
    assert manifest["outputs"] == {
        f"{c}.safetensors": sha256_of(tmp_path / "both" / f"{c}.safetensors") for c in ("clean", "noise30")
    }
    assert manifest["samples"] == {"clean": 12, "noise30": 12}
    assert str(noisy) in manifest["inputs"]


def test_latents_of_another_corruption_are_refused(street, noisy, tmp_path):
    with pytest.raises(FacetoryError, match="holds latents of corruption noise30, not clean"):
        evaluate_emodc(eval_spec(), **{**street, "latents": {"clean": noisy}}, run=None, folder=tmp_path)


def test_a_balanced_part_has_the_errors_of_the_whole(street, tmp_path):
    given = for_evaluation(street)
    evaluate_emodc(eval_spec(images_per_class=2), **given, run=None, folder=tmp_path / "part")
    evaluate_emodc(eval_spec(), **given, run=None, folder=tmp_path / "whole")
    part, whole = (read_records(tmp_path / f / "clean.safetensors") for f in ("part", "whole"))
    assert np.bincount(part.labels).tolist() == [2, 2, 2]
    at = [whole.sample_ids.index(sample) for sample in part.sample_ids]
    np.testing.assert_allclose(part.errors, whole.errors[at], rtol=2e-5)
    assert [whole.persons[i] for i in at] == part.persons and whole.labels[
        at
    ].tolist() == part.labels.tolist()


def test_errors_under_the_non_class_and_the_null_prompt(street, tmp_path):
    """They are what the errors of a class would be that had their tokens."""
    given = for_evaluation(street)
    evaluate_emodc(eval_spec(extra_prompts=True), **given, run=None, folder=tmp_path / "extra")
    evaluate_emodc(eval_spec(), **given, run=None, folder=tmp_path / "plain")
    extra, plain = (read_records(tmp_path / f / "clean.safetensors") for f in ("extra", "plain"))
    np.testing.assert_allclose(extra.errors, plain.errors, rtol=2e-5)
    assert plain.extra is None and extra.extra.shape == (12, 4, 2)
    with open_tensors(street["text"]) as handle:
        tokens = handle.get_tensor("tokens")
    about = read_metadata(street["text"])
    write_tensors(tmp_path / "turned.safetensors", {"tokens": tokens[[3, 4, 0, 1, 2]]}, about)
    given["text"] = tmp_path / "turned.safetensors"
    evaluate_emodc(eval_spec(), **given, run=None, folder=tmp_path / "turned")
    turned = read_records(tmp_path / "turned" / "clean.safetensors")
    np.testing.assert_allclose(extra.extra, turned.errors[..., :2], rtol=2e-5)


def test_a_trained_adapter_changes_the_errors(street, tmp_path):
    spec = train_spec()
    train_emodc(spec, **street, folder=tmp_path / "run", checkpoints=tmp_path / "checkpoints")
    evaluate_emodc(
        eval_spec(spec), **for_evaluation(street), run=tmp_path / "run", folder=tmp_path / "trained"
    )
    evaluate_emodc(eval_spec(), **for_evaluation(street), run=None, folder=tmp_path / "zero_shot")
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
    evaluate_emodc(
        eval_spec(train_spec()),
        **for_evaluation(street),
        run=tmp_path / "run",
        folder=tmp_path / "evaluation",
    )
    manifest = manifest_of(tmp_path / "evaluation")
    assert manifest["status"] == "not_run" and "training diverged at step 7" in manifest["reason"]
    assert not (tmp_path / "evaluation" / "clean.safetensors").exists()


def test_timesteps_are_recorded_once_and_sorted(street, tmp_path):
    evaluate_emodc(
        eval_spec(timesteps=(499, 9, 99, 899, 9)),
        **for_evaluation(street),
        run=None,
        folder=tmp_path / "mixed",
    )
    evaluate_emodc(eval_spec(), **for_evaluation(street), run=None, folder=tmp_path / "sorted")
    mixed, ordered = (read_records(tmp_path / f / "clean.safetensors") for f in ("mixed", "sorted"))
    assert mixed.timesteps.tolist() == [9, 99, 499, 899]
    np.testing.assert_array_equal(mixed.errors, ordered.errors)


def test_shards_do_not_change_the_records(street, tmp_path, monkeypatch):
    evaluate_emodc(eval_spec(), **for_evaluation(street), run=None, folder=tmp_path / "whole")
    monkeypatch.setattr(evaluate, "PAIRS_A_SHARD", 20)
    evaluate_emodc(eval_spec(batch_size=7), **for_evaluation(street), run=None, folder=tmp_path / "shards")
    whole, shards = (read_records(tmp_path / f / "clean.safetensors") for f in ("whole", "shards"))
    np.testing.assert_allclose(shards.errors, whole.errors, rtol=2e-5)


def test_a_killed_evaluation_goes_on_and_ends_bit_equal(street, tmp_path, monkeypatch):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    victim = start("evaluate", street, killed, slow=0.2)
    kill_when(victim, lambda: len(list(killed.glob("evaluation/shards/*/clean/0*.safetensors"))) >= 3)
    assert not (killed / "evaluation" / "manifest.json").exists()
    monkeypatch.setattr(evaluate, "PAIRS_A_SHARD", 4)
    calls, measure = [], evaluate.errors_by_class
    monkeypatch.setattr(evaluate, "errors_by_class", lambda *a, **k: calls.append(1) or measure(*a, **k))
    evaluate_emodc(eval_spec(), **for_evaluation(street), run=None, folder=killed / "evaluation")
    assert 0 < len(calls) < 12
    evaluate_emodc(eval_spec(), **for_evaluation(street), run=None, folder=whole / "evaluation")
    first, second = (read_records(f / "evaluation" / "clean.safetensors") for f in (killed, whole))
    assert first.errors.tobytes() == second.errors.tobytes()


def test_shards_of_other_weights_are_not_used(street, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate, "PAIRS_A_SHARD", 4)
    (tmp_path / "other").mkdir()
    other = build(tmp_path / "other", samples=12)
    text = street["text"].read_bytes()
    other["text"].write_bytes(text[:-4] + b"\x00\x00\x80?")
    monkeypatch.setattr(evaluate.shutil, "rmtree", lambda folder: None)
    evaluate_emodc(eval_spec(), **for_evaluation(street), run=None, folder=tmp_path / "a")
    evaluate_emodc(eval_spec(), **for_evaluation(other), run=None, folder=tmp_path / "a")
    assert len(list((tmp_path / "a" / "shards").iterdir())) == 2


def test_errors_that_are_not_finite_are_refused(street, tmp_path, monkeypatch):
    measure = evaluate.errors_by_class

    def spoiled(*args, **options):
        errors = measure(*args, **options)
        errors[2, 1, 0] = np.nan
        return errors

    monkeypatch.setattr(evaluate, "errors_by_class", spoiled)
    with pytest.raises(FacetoryError, match="first at sample s2, timestep 99"):
        evaluate_emodc(eval_spec(), **for_evaluation(street), run=None, folder=tmp_path)
    assert not (tmp_path / "clean.safetensors").exists()


def test_extra_errors_that_do_not_fit_are_refused(tmp_path):
    about = {name: [] for name in ("sample_ids", "persons", "classes")} | {
        "slot": "",
        "dataset": "",
        "spec": {},
    }
    tensors = {"errors": np.zeros((3, 2, 3), np.float32), "extra": np.zeros((3, 1, 2), np.float32)}
    tensors |= {"timesteps": np.arange(2), "labels": np.zeros(3, np.int64)}
    write_tensors(tmp_path / "records.safetensors", tensors, about)
    with pytest.raises(FacetoryError, match="do not belong together"):
        read_records(tmp_path / "records.safetensors")
