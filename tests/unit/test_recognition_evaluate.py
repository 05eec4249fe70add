"""Records of a discriminative classifier: −log p(c|x) of the right samples, in the dataset's order."""

import csv

import numpy as np
import pytest
import torch
from facetory.cli.classifier import app
from facetory.metrics.records import read_records
from facetory.pipeline.files import FacetoryError, read_json, sha256_of, write_json, write_tensors
from facetory.recognition import networks
from facetory.recognition.evaluate import evaluate_classifier
from facetory.recognition.spec import ClassifierEvalSpec, ClassifierSpec
from facetory.recognition.train import train_classifier
from facetory.recognition.views import face_views, latent_views
from labelled import CLASSES, dataset
from safetensors.torch import load_file
from typer.testing import CliRunner

TRAIN = ClassifierSpec(network="cnn", size="small", dataset="drawn", px=16, steps=60, batch_size=16, lr=3e-3)
SPEC = ClassifierEvalSpec(
    train=TRAIN, dataset="drawn", split="test", corruptions=("clean", "noise30", "blur2"), images_per_class=3
)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("drawn")
    faces, train, test = dataset(folder, latents_tell=True)
    train_classifier(TRAIN, faces, folder / "classifier", folder / "checkpoints")
    return {"faces": faces, "train": train, "test": test, "classifier": folder / "classifier"}


def evaluated(spec, places, folder, classifier=None, source=None):
    evaluate_classifier(spec, classifier or places["classifier"], source or places["faces"], folder)
    return {name: read_records(folder / f"{name}.safetensors") for name in spec.corruptions}


def test_errors_are_minus_the_log_of_softmax(places, tmp_path):
    clean = evaluated(SPEC, places, tmp_path)["clean"]
    network, _ = networks.load(places["classifier"], TRAIN)
    faces = face_views(places["faces"], "test", 16)
    with torch.inference_mode():
        logits = network(torch.from_numpy(faces.views[:, 0])).double()
    expected = logits.exp().sum(1, keepdim=True).log() - logits
    assert clean.errors.shape == (24, 1, 7) and clean.errors.dtype == np.float32
    np.testing.assert_allclose(clean.errors[:, 0], expected.numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(np.exp(-clean.errors).sum(2), 1, rtol=1e-5)
    assert clean.timesteps.tolist() == [0] and clean.classes == CLASSES
    assert clean.sample_ids == faces.sample_ids and clean.persons[0] == "test0"
    assert (clean.errors[:, 0].argmin(1) == clean.labels).mean() > 0.95
    assert clean.dataset == "drawn" and clean.spec["train"]["network"] == "cnn"


def test_corrupted_images_are_a_balanced_part_and_clean_ones_all(places, tmp_path):
    records = evaluated(SPEC, places, tmp_path)
    about = read_json(tmp_path / "manifest.json")
    assert about["status"] == "evaluated"
    assert about["samples"] == {"clean": 24, "noise30": 9, "blur2": 9}
    assert about["outputs"] == {f"{n}.safetensors": sha256_of(tmp_path / f"{n}.safetensors") for n in records}
    assert records["noise30"].sample_ids == records["blur2"].sample_ids
    assert np.bincount(records["noise30"].labels, minlength=7).tolist() == [3, 0, 0, 3, 0, 3, 0]
    chosen = [records["clean"].sample_ids.index(name) for name in records["noise30"].sample_ids]
    for name in ("noise30", "blur2"):
        assert not np.allclose(records[name].errors, records["clean"].errors[chosen]), "nothing was corrupted"


def test_the_size_of_batches_changes_nothing_but_rounding(places, tmp_path):
    spec = ClassifierSpec(network="resnet18", size="small", dataset="drawn", px=24, steps=3, batch_size=16)
    train_classifier(spec, places["faces"], tmp_path / "classifier", tmp_path / "checkpoints")
    whole, parts = (
        evaluated(
            SPEC.model_copy(update={"train": spec, "batch_size": size}),
            places,
            tmp_path / str(size),
            tmp_path / "classifier",
        )
        for size in (256, 5)
    )
    for name in whole:
        np.testing.assert_allclose(whole[name].errors, parts[name].errors, rtol=1e-3, atol=1e-4)


def test_a_classifier_of_another_order_is_read_by_name(places, tmp_path):
    """The same network, its outputs turned round and named so, gives the same records."""
    order = [6, 5, 4, 3, 2, 1, 0]
    weights = load_file(places["classifier"] / "weights.safetensors")
    last = max(int(name.split(".")[0]) for name in weights)
    for part in ("weight", "bias"):
        weights[f"{last}.{part}"] = weights[f"{last}.{part}"][order].contiguous()
    about = {"classes": [CLASSES[i] for i in order], "channels": 3, "side": 16}
    write_tensors(tmp_path / "other" / "weights.safetensors", weights, about)
    write_json(tmp_path / "other" / "manifest.json", {"status": "trained"})
    same = evaluated(SPEC, places, tmp_path / "same")["clean"]
    other = evaluated(SPEC, places, tmp_path / "turned", tmp_path / "other")["clean"]
    np.testing.assert_allclose(other.errors, same.errors, rtol=1e-4, atol=1e-6)


def test_a_dataset_of_other_classes_is_refused(places, tmp_path):
    faces = places["faces"]
    with faces.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["label"] = "happily_surprised"
    (tmp_path / "images").symlink_to(faces.parent / "images")
    with (tmp_path / "ledger.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(FacetoryError, match=r"knows surprise, .* but drawn has happily_surprised"):
        evaluated(SPEC, places, tmp_path / "evaluation", source=tmp_path / "ledger.csv")
    assert not list((tmp_path / "evaluation").glob("*"))


def test_a_classifier_whose_training_failed_is_not_evaluated(places, tmp_path):
    evaluated(SPEC, places, tmp_path / "evaluation")
    write_json(tmp_path / "failed" / "manifest.json", {"status": "failed", "reason": "it diverged"})
    evaluate_classifier(SPEC, tmp_path / "failed", places["faces"], tmp_path / "evaluation")
    about = read_json(tmp_path / "evaluation" / "manifest.json")
    assert (about["status"], about["reason"]) == ("not_run", "its training failed: it diverged")
    assert [path.name for path in (tmp_path / "evaluation").iterdir()] == ["manifest.json"]


@pytest.fixture(scope="module")
def on_latents(places, tmp_path_factory):
    folder = tmp_path_factory.mktemp("latents")
    spec = TRAIN.model_copy(update={"view": "latents", "backbone": "tiny"})
    train_classifier(spec, places["train"], folder, folder / "checkpoints")
    return folder, SPEC.model_copy(update={"train": spec, "corruptions": ("clean",)})


def test_latents_are_judged_by_their_means(places, on_latents, tmp_path):
    classifier, spec = on_latents
    clean = evaluated(spec, places, tmp_path, classifier, {"clean": places["test"]})["clean"]
    network, _ = networks.load(classifier, spec.train)
    with torch.inference_mode():
        logits = network(torch.from_numpy(latent_views(places["test"]).views[:, 0]))
    np.testing.assert_allclose(clean.errors[:, 0], -logits.log_softmax(1), rtol=1e-4, atol=1e-6)
    assert (clean.errors[:, 0].argmin(1) == clean.labels).mean() > 0.95


def test_latents_of_another_corruption_are_refused(places, on_latents, tmp_path):
    classifier, spec = on_latents
    spec = spec.model_copy(update={"corruptions": ("blur5",)})
    with pytest.raises(FacetoryError, match="holds latents of corruption clean, not blur5"):
        evaluated(spec, places, tmp_path, classifier, {"blur5": places["test"]})


def test_weights_of_another_network_are_refused(places, tmp_path):
    spec = SPEC.model_copy(update={"train": TRAIN.model_copy(update={"size": "paper"})})
    with pytest.raises(FacetoryError, match=r"weights\.safetensors: holds another network than cnn-drawn"):
        evaluated(spec, places, tmp_path)


def test_a_person_evaluates_one(places, on_latents, tmp_path):
    line = [
        "evaluate",
        "--classifier",
        str(places["classifier"]),
        "--folder",
        str(tmp_path),
        "--slot",
        "sfew",
    ]
    line += ["--spec", SPEC.canonical(), "--faces", str(places["faces"])]
    assert CliRunner().invoke(app, line).exit_code == 0
    assert read_records(tmp_path / "blur2.safetensors").slot == "sfew"
    classifier, spec = on_latents
    pattern = str(places["test"]).replace("test.saf", "{corruption}.saf")
    places["test"].with_name("clean.safetensors").write_bytes(places["test"].read_bytes())
    line = ["evaluate", "--classifier", str(classifier), "--folder", str(tmp_path / "latents")]
    line += ["--spec", spec.canonical(), "--latents", pattern]
    assert CliRunner().invoke(app, line).exit_code == 0
    assert len(read_records(tmp_path / "latents" / "clean.safetensors").labels) == 24
