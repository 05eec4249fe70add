"""A discriminative classifier learns, resumes where it was killed, or leaves the reason why it failed."""

import json

import numpy as np
import pytest
import torch
from facetory.cli.classifier import app
from facetory.pipeline.files import FacetoryError, read_json, read_metadata, sha256_of
from facetory.recognition import networks
from facetory.recognition.expressions import Expressions
from facetory.recognition.resnet18 import resnet18
from facetory.recognition.spec import ClassifierSpec
from facetory.recognition.train import train_classifier
from labelled import CLASSES, dataset
from safetensors.torch import load_file
from typer.testing import CliRunner

SPEC = ClassifierSpec(
    network="cnn", size="small", dataset="drawn", px=16, steps=60, batch_size=16, lr=3e-3, checkpoint_every=20
)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    torch.set_num_threads(1)
    return dataset(tmp_path_factory.mktemp("drawn"), latents_tell=True)


def run(spec, source, folder, **options):
    train_classifier(spec, source, folder / "classifier", folder / "checkpoints", **options)
    return read_json(folder / "classifier" / "manifest.json")


def progress(folder):
    return [json.loads(line) for line in (folder / "classifier" / "progress.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("view", "source"), [("faces", 0), ("latents", 1)])
def test_what_is_separable_is_learnt(view, source, places, tmp_path):
    run(SPEC.model_copy(update={"view": view}), places[source], tmp_path)
    lines = progress(tmp_path)
    assert lines[0]["loss"] > 1.5 * lines[-1]["loss"]
    assert lines[-1]["accuracy"] > 0.95


def test_the_manifest_says_what_was_made(places, tmp_path):
    about = run(SPEC, places[0], tmp_path)
    weights = tmp_path / "classifier" / "weights.safetensors"
    assert about["stage"] == "classifier train" and about["status"] == "trained"
    assert about["outputs"] == {"weights.safetensors": sha256_of(weights)}
    assert about["training"]["steps"] == 60 and about["training"]["seconds"] > 0
    assert about["classes"] == CLASSES == read_metadata(weights)["classes"]
    assert about["inputs"] == {str(places[0]): sha256_of(places[0])}
    network, classes = networks.load(tmp_path / "classifier", SPEC)
    assert about["parameters"] == sum(weight.numel() for weight in network.parameters())
    assert classes == CLASSES and not network.training


@pytest.mark.parametrize("network", ["resnet18", "apvit"])
def test_killed_and_resumed_equals_undisturbed(network, places, tmp_path, monkeypatch):
    """Weights and batch normalisation's statistics alike, bit for bit."""
    spec = SPEC.model_copy(update={"network": network, "px": 24, "steps": 7, "checkpoint_every": 2})
    run(spec, places[0], tmp_path / "whole")
    loss = Expressions.loss

    def killed(task, positions, step):
        if step == 5:
            raise KeyboardInterrupt
        return loss(task, positions, step)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Expressions, "loss", killed)
        run(spec, places[0], tmp_path / "killed")
    assert not (tmp_path / "killed" / "classifier" / "weights.safetensors").exists()
    assert run(spec, places[0], tmp_path / "killed")["training"]["resumed_from"] == 4
    first, second = (
        load_file(tmp_path / name / "classifier" / "weights.safetensors") for name in ("whole", "killed")
    )
    assert any("running_var" in name for name in first) and first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_seed_decides_weights_and_order(places, tmp_path):
    def digest(seed, folder):
        spec = SPEC.model_copy(update={"steps": 3, "seed": seed})
        return run(spec, places[0], tmp_path / folder)["outputs"]["weights.safetensors"]

    assert digest(0, "a") == digest(0, "b") != digest(1, "c")


def test_a_run_that_diverges_leaves_its_reason_and_no_weights(places, tmp_path):
    run(SPEC.model_copy(update={"steps": 2}), places[0], tmp_path)
    about = run(SPEC.model_copy(update={"lr": 1e30}), places[0], tmp_path)
    assert about["status"] == "failed" and "training diverged at step" in about["reason"]
    assert not (tmp_path / "classifier" / "weights.safetensors").exists()


def test_label_smoothing_is_that_of_cross_entropy(places):
    from facetory.recognition.views import face_views

    data = face_views(places[0], "train", 16)
    logits = torch.linspace(-1, 2, 7)

    class Constant(torch.nn.Module):
        def forward(self, images):
            return logits.expand(len(images), 7)

    rows = np.arange(6)
    losses = [
        Expressions(data, Constant(), torch.Tensor.float, 0, "test", smoothing).loss(rows, 0)[0]
        for smoothing in (0.0, 0.1)
    ]
    log = logits.log_softmax(0)
    right = -log[torch.from_numpy(data.labels[rows])].mean()
    torch.testing.assert_close(losses[0], right)
    torch.testing.assert_close(losses[1], 0.9 * right - 0.1 * log.mean())


def test_a_network_for_faces_refuses_latents(places, tmp_path):
    spec = SPEC.model_copy(update={"network": "resnet18", "view": "latents"})
    with pytest.raises(FacetoryError, match="resnet18 sees faces alone"):
        run(spec, places[1], tmp_path)


def authors(tmp_path, classes):
    """A fine-tuned ResNet-18, as a training script of theirs would save it."""
    torch.manual_seed(5)
    path = tmp_path / "authors.pth"
    torch.save({"state_dict": resnet18(classes).state_dict()}, path)
    return path


def test_an_authors_checkpoint_is_taken_over_untrained(tmp_path):
    path, order = authors(tmp_path, 7), CLASSES[::-1]
    spec = ClassifierSpec(
        network="resnet18", dataset="drawn", px=112, steps=0, weights="authors.pth", weights_classes=order
    )
    about = run(spec, "unread", tmp_path, weights=path)
    assert about["status"] == "trained" and about["classes"] == order and "training" not in about
    assert about["origin"]["file"] == "authors.pth" and about["origin"]["sha256"] == sha256_of(path)
    assert about["inputs"] == {str(path): sha256_of(path)}
    theirs, ours = (
        torch.load(path, weights_only=True)["state_dict"],
        load_file(tmp_path / "classifier" / "weights.safetensors"),
    )
    assert theirs.keys() == ours.keys() and all(torch.equal(theirs[name], ours[name]) for name in ours)


def test_a_checkpoint_for_other_classes_is_refused(tmp_path):
    spec = ClassifierSpec(
        network="resnet18", dataset="drawn", px=112, steps=0, weights="a.pth", weights_classes=CLASSES
    )
    with pytest.raises(FacetoryError, match=r"2 misshapen: fc\.weight \(8, 512\) instead of \(7, 512\)"):
        run(spec, "unread", tmp_path, weights=authors(tmp_path, 8))
    with pytest.raises(FacetoryError, match="order of the classes that resnet18 puts out for drawn"):
        unnamed = spec.model_copy(update={"weights_classes": None})
        run(unnamed, "unread", tmp_path, weights=authors(tmp_path, 7))
    assert not (tmp_path / "classifier" / "manifest.json").exists()


def command(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_a_person_trains_one(places, tmp_path):
    spec = SPEC.model_copy(update={"steps": 2}).canonical()
    where = ("--folder", tmp_path / "c", "--checkpoints", tmp_path / "k")
    assert command("train", "--spec", spec, "--faces", places[0], *where).exit_code == 0
    assert read_json(tmp_path / "c" / "manifest.json")["status"] == "trained"
    for wrong in (("--latents", places[1]), ("--faces", places[0], "--latents", places[1]), ()):
        error = command("train", "--spec", spec, *wrong, *where).exception
        assert isinstance(error, FacetoryError) and "give --faces, and not the other" in str(error)
    error = command("train", "--spec", spec, "--weights", places[1], *where).exception
    assert isinstance(error, FacetoryError) and "give both, or neither" in str(error)
    absent = command("train", "--spec", spec, "--faces", tmp_path / "absent.csv", *where)
    assert absent.exit_code == 2 and "--faces" in absent.output


def test_parameter_counts_stand_beside_the_published_ones():
    shown = command("parameters").output
    lines = {line.split("│")[1].strip(): line.split("│")[2:] for line in shown.splitlines() if "│" in line}
    assert [cell.strip() for cell in lines["apvit"][:3]] == ["65.2", "65.21", "65.21"]
    assert lines["resnet18"][0].strip() == "11.7"
    assert lines["posterpp"][0].strip() == "43.7"
    assert lines.keys() == {"apvit", "poster", "posterpp", "resnet18", "cnn", "vit", "latent_cnn"}
