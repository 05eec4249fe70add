"""`facetory.AffectDiff`: any modality alone, missing is not zero, numbers that add up, a checked folder."""

import affect_street as street
import facetory
import numpy as np
import pytest
import torch
from facetory.affectdiff.batches import load
from facetory.affectdiff.export import export_recognizer
from facetory.affectdiff.networks import load_recognizer
from facetory.data.mosei.segments import read_segments
from facetory.pipeline.files import FacetoryError, read_json, write_json
from safetensors.numpy import load_file, save_file


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.set_num_threads(1)
    return street.exported(tmp_path_factory.mktemp("masked"), scored=True, stands_in_for="CMU-MOSEI")


@pytest.fixture(scope="module")
def model(folder):
    return facetory.AffectDiff.load(folder)


def test_an_utterance_from_outside_is_read_as_in_training(folder, model):
    root = folder.parent
    segments = read_segments(root / "segments.safetensors")
    trained, spec, normalisation = load_recognizer(root / "recognizer")
    corpus = load(root / "segments.safetensors", spec, normalisation=normalisation)
    for at in (0, 3, 7, 11):  # 0 and 7 have no audio
        raw = {m: segments.streams[m][slice(*segments.offsets[m][at : at + 2])] for m in street.MODALITIES}
        given = {m: stream for m, stream in raw.items() if np.isfinite(stream).any()}
        batch = corpus.batch(np.array([at]))
        with torch.inference_mode():
            expected = trained(batch.streams, batch.mask).softmax(1)[0].tolist()
        assert list(model.predict(**given).probabilities.values()) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("modality", street.MODALITIES)
def test_any_modality_alone_will_do_and_missing_is_not_zero(model, modality):
    own = street.utterance()
    alone = model.predict(**{modality: own[modality]})
    assert alone.present == (modality,)
    assert sum(alone.probabilities.values()) == pytest.approx(1)
    assert all(alone.attribution[m] == pytest.approx(0, abs=1e-5) for m in own if m != modality)
    assert alone.probability == max(alone.probabilities.values())
    assert any("left out" in note for note in alone.notes)
    zeros = {m: np.zeros_like(stream) for m, stream in own.items()} | {modality: own[modality]}
    assert model.predict(**zeros).probabilities != pytest.approx(alone.probabilities, abs=1e-4)


def test_the_attribution_adds_up_to_the_log_odds(model):
    found = model.predict(**street.utterance())
    p = found.probability
    total = found.log_odds_of_nothing + sum(found.attribution.values())
    assert total == pytest.approx(np.log(p / (1 - p)), abs=1e-4)
    assert sum(found.graph.values()) == pytest.approx(1, abs=1e-5)
    assert found.notes == ()


def test_a_model_without_masks_says_that_zeros_stand_in(tmp_path):
    own = facetory.AffectDiff.load(street.exported(tmp_path, street.affect_diff()))
    alone = own.predict(text=street.utterance()["text"])
    assert any("zeros" in note for note in alone.notes)
    mean = [own._normalisation[m][0][None].repeat(4, 1).numpy() for m in ("audio", "video")]
    same = own.predict(street.utterance()["text"], *mean)
    assert same.probabilities == pytest.approx(alone.probabilities, abs=1e-5)


def test_a_baseline_is_a_model_too_without_graph_and_counterfactual(tmp_path):
    own = facetory.AffectDiff.load(street.exported(tmp_path, street.baseline()))
    assert own.predict(**street.utterance()).graph is None
    with pytest.raises(FacetoryError, match="baseline"):
        own.counterfactual(**street.utterance(), label="Sad")


def test_lists_are_answered_one_by_one(model):
    utterances = [street.utterance(rows, seed=rows) for rows in (2, 5, 9)]
    found = model.predict(text=[u["text"] for u in utterances], audio=[None, utterances[1]["audio"], None])
    assert [one.present for one in found] == [("text",), ("text", "audio"), ("text",)]
    for one, own in zip(found[::2], utterances[::2], strict=True):
        assert model.predict(text=own["text"]).probabilities == pytest.approx(one.probabilities, abs=1e-5)
    assert any("first 6" in note for note in found[2].notes)


def test_rows_that_were_not_measured_do_not_count(model):
    own = street.utterance(3)["text"]
    holes = np.insert(own, 3, np.nan, axis=0)
    expected = model.predict(text=own).probabilities
    assert model.predict(text=holes).probabilities == pytest.approx(expected, abs=1e-5)


def test_a_counterfactual_has_its_control(model):
    own = street.utterance()
    predicted = model.predict(**own).label
    target = next(name for name in model.classes if name != predicted)
    found = model.counterfactual(**own, label=target.lower(), steps=5)
    assert (found.label, found.target) == (predicted, target)
    assert found.before[predicted] == max(found.before.values())
    assert found.distance > 0 and found.by_row.shape == (4,)
    assert np.sqrt((found.by_row**2).sum()) == pytest.approx(found.distance, rel=1e-5)
    assert found.reached == (max(found.after, key=found.after.get) == target)
    with pytest.raises(FacetoryError, match="predicts already"):
        model.counterfactual(**own, label=predicted)
    with pytest.raises(FacetoryError, match=r"unknown class 'Hapy'.*Did you mean 'Happy'"):
        model.counterfactual(**own, label="Hapy")
    with pytest.raises(FacetoryError, match="steps 50: this model's prior can take 1 to 39"):
        model.counterfactual(**own, label=target, steps=50)


@pytest.mark.parametrize(
    ("streams", "message"),
    [
        ({}, "any one of them will do"),
        ({"text": np.ones((3, 4))}, r"utterance 0, text: the shape is \(3, 4\), expected \(rows, 5\): glove"),
        ({"text": np.ones(5)}, r"the shape is \(5,\)"),
        ({"text": np.ones((0, 5))}, r"the shape is \(0, 5\)"),
        ({"text": np.ones((3, 5)), "audio": np.ones((9, 4))}, r"3 rows, audio has 9 rows.*aligned to words"),
        ({"text": np.full((3, 5), np.nan)}, "not one finite number"),
        ({"text": np.full((3, 5), "x")}, "not numbers"),
        ({"text": [np.ones((3, 5))], "audio": np.ones((3, 4))}, "one array beside lists"),
        ({"text": [np.ones((3, 5))], "audio": []}, "lists of different lengths"),
    ],
)
def test_streams_that_do_not_fit_are_named(model, streams, message):
    with pytest.raises(FacetoryError, match=message):
        model.predict(**streams)


def test_unaligned_streams_fit_a_model_that_learnt_from_such(tmp_path):
    own = facetory.AffectDiff.load(street.exported(tmp_path, street.affect_diff(policy="code")))
    found = own.predict(text=np.ones((3, 5)), audio=np.ones((9, 4)), video=np.ones((5, 3)))
    assert sum(found.probabilities.values()) == pytest.approx(1)


def test_the_card_says_what_it_learnt_from_and_how_good_it_is(folder):
    card, about = (folder / "README.md").read_text(), read_json(folder / "model.json")
    assert "stands in for CMU-MOSEI" in card and "synthetic" in card and "audio 1.5 σ" in card
    assert "does not read feelings" in card and "missing is not zero" in card
    exact = about["metrics"][0]
    assert exact["name"] == "balanced accuracy" and f"| balanced accuracy | {exact['value']:.3f} [" in card
    assert exact["n"] == len(load_file(folder.parent / "scores" / "records.safetensors")["test_labels"])
    assert sum(about["data"]["classes"].values()) == about["data"]["splits"]["train"]
    assert "balanced accuracy is 0.167" in card and "--words" not in card
    assert "{" not in card.replace("{widths", "")


def test_a_damaged_or_foreign_folder_is_refused(folder, tmp_path):
    with pytest.raises(FacetoryError, match=r"holds model\.json"):
        facetory.AffectDiff.load(tmp_path)
    own = street.exported(tmp_path)
    weights = own / "weights.safetensors"
    tensors = load_file(weights)
    tensors["classifier.pool.query" if "classifier.pool.query" in tensors else next(iter(tensors))] += 1
    save_file(tensors, weights)
    with pytest.raises(FacetoryError, match=r"weights.safetensors: sha256 is"):
        facetory.AffectDiff.load(own)


def test_what_failed_or_belongs_elsewhere_is_not_exported(folder, tmp_path):
    write_json(tmp_path / "failed" / "manifest.json", {"status": "failed", "reason": "the loss is NaN."})
    with pytest.raises(FacetoryError, match="the loss is NaN"):
        export_recognizer(tmp_path / "failed", None, tmp_path / "model")
    segments = street.written(tmp_path)
    other = street.recognizer(tmp_path / "other", street.affect_diff(heads=1), segments)
    with pytest.raises(FacetoryError, match="scores another run"):
        export_recognizer(other, folder.parent / "scores", tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_importing_facetory_stays_light():
    import subprocess
    import sys

    code = "import facetory, sys; assert 'torch' not in sys.modules; facetory.AffectDiff"
    subprocess.run([sys.executable, "-c", code], check=True)
