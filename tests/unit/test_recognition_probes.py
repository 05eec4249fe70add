"""Probes find expressions where there are some, find none where there are none, and say what went wrong."""

import numpy as np
import pytest
import torch
from facetory.cli import probe as cli
from facetory.pipeline.files import FacetoryError, read_json, write_tensors
from facetory.recognition.cnn import cnn, standardise
from facetory.recognition.expressions import Expressions, mirrored, shifted
from facetory.recognition.probes import ProbeSpec, classify, pixel_views, probe
from facetory.recognition.views import Views, latent_views
from labelled import CLASSES, dataset
from PIL import Image
from typer.testing import CliRunner

SPEC = ProbeSpec(px=16, widths=(8, 16), epochs=12, batch_size=16, lr=1e-2)


def rewritten(path, **changes):
    """A latents file again, with other names or labels."""
    views = latent_views(path)._replace(**changes)
    about = {"sample_ids": views.sample_ids, "persons": views.persons, "classes": CLASSES}
    write_tensors(path, {"mean": views.views, "labels": views.labels}, {**about, "scaling_factor": 1.0})


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probed")
    probe(*dataset(folder), folder / "probes.json", SPEC)
    return folder / "probes.json"


def test_what_pixels_show_is_found_and_noise_is_not(probed):
    results = {(r["input"], r["probe"]): r for r in read_json(probed)["results"]}
    assert len(results) == 4
    for kind in ("linear", "cnn"):
        assert results["pixels", kind]["accuracy"] > 0.95
        assert results["pixels", kind]["shape"] == [3, 16, 16]
        assert results["latents", kind]["accuracy"] < 0.67, "noise cannot be learnt"
        assert results["latents", kind]["shape"] == [4, 8, 8]
        noise = results["latents", kind]
        assert noise["ci_low"] < noise["accuracy"] < noise["ci_high"] and noise["n"] == 24


def test_what_latents_keep_is_found(tmp_path):
    _, train, test = dataset(tmp_path, latents_tell=True)
    splits = latent_views(train), latent_views(test)
    for kind in ("linear", "cnn"):
        assert np.mean(classify(kind, *splits, SPEC) == splits[1].labels) > 0.95


def test_the_file_says_what_was_done(probed):
    about = read_json(probed)
    assert about["stage"] == "probe" and about["status"] == "probed" and about["dataset"] == "drawn"
    assert about["spec"] == SPEC.model_dump(mode="json")
    assert (about["training_images"], about["training_people"]) == (72, 24)
    assert (about["test_images"], about["test_people"]) == (24, 8)
    assert about["chance"] == pytest.approx(1 / 7) and about["majority"] == pytest.approx(1 / 3)
    assert len(about["inputs"]) == 3 and about["seed"] == 0


def test_equal_seeds_give_equal_answers(tmp_path):
    _, train, test = dataset(tmp_path)
    splits = latent_views(train), latent_views(test)
    first, again, other = (
        classify("cnn", *splits, SPEC.model_copy(update={"epochs": 2, "seed": seed})) for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_mirror_images_are_the_faces_mirrored(tmp_path):
    ledger, train, _ = dataset(tmp_path)
    views = pixel_views(ledger, latent_views(train), 20).views
    assert views.shape == (72, 2, 3, 20, 20)
    assert np.array_equal(views[:, 1], views[:, 0, :, :, ::-1])


def test_a_sample_is_augmented_alike_in_any_batch():
    random = np.random.default_rng(0)
    views = random.integers(0, 255, (6, 2, 3, 64, 64), dtype=np.uint8)
    names = [f"s{i}" for i in range(6)]
    split = Views(views, np.arange(6), names, names, CLASSES)
    task = Expressions(split, torch.nn.Identity(), torch.Tensor.float, 0, "test")
    first, other = (task.inputs(np.array(positions), 3) for positions in ([0, 1, 2, 3], [5, 2, 0, 4]))
    assert torch.equal(first[0], other[2]) and torch.equal(first[2], other[1])
    assert not torch.equal(task.inputs(np.array([0]), 4)[0], first[0]), "another step draws anew"


def test_one_view_is_turned_and_of_two_the_second_is_taken():
    views, flip = torch.randn(3, 2, 4, 5, 6), torch.tensor([True, False, True])
    of_two, of_one = mirrored(views, flip), mirrored(views[:, :1], flip)
    assert torch.equal(of_two[0], views[0, 1]) and torch.equal(of_two[1], views[1, 0])
    assert torch.equal(of_one[2], views[2, 0].flip(-1)) and torch.equal(of_one[1], views[1, 0])


def test_shifts_are_those_of_numpys_roll():
    images, offsets = torch.randn(5, 3, 8, 9), torch.tensor([[0, 0], [1, -2], [-3, 0], [2, 2], [0, 1]])
    for image, found, offset in zip(images, shifted(images, offsets), offsets, strict=True):
        assert np.array_equal(found, np.roll(image, offset, axis=(1, 2)))


@pytest.mark.parametrize("side", [4, 8, 15, 32, 37, 64])
def test_the_network_takes_any_side(side):
    network = cnn(3, side, 7, widths=(32, 64, 128, 128), dropout=0.3)
    assert network(torch.zeros(2, 3, side, side)).shape == (2, 7)


def test_the_cnn_sees_images_in_the_units_of_its_training_split():
    images = np.random.default_rng(0).normal([[[5]], [[-2]]], [[[3]], [[0.5]]], (50, 2, 8, 8))
    network = cnn(2, 8, 7, widths=(8,), dropout=0.0)
    standardise(network, images)
    seen = network[0](torch.from_numpy(images).float())
    assert seen.mean((0, 2, 3)).abs().max() < 1e-5
    torch.testing.assert_close(seen.std((0, 2, 3)), torch.ones(2), rtol=1e-4, atol=0)


def test_more_samples_than_the_limit_are_drawn_down(tmp_path):
    probe(*dataset(tmp_path), tmp_path / "p.json", SPEC.model_copy(update={"epochs": 1, "train_limit": 30}))
    about = read_json(tmp_path / "p.json")
    assert about["training_images"] == 30 and about["test_images"] == 24


def test_people_of_both_splits_are_an_error(tmp_path):
    ledger, train, test = dataset(tmp_path)
    rewritten(test, persons=["train3"] * 24)
    with pytest.raises(FacetoryError, match=r"train3 is among the people of both splits \(1 of them\)"):
        probe(ledger, train, test, tmp_path / "p.json", SPEC)
    assert not (tmp_path / "p.json").exists()


def test_unknown_people_are_resampled_one_by_one(tmp_path):
    ledger, train, test = dataset(tmp_path)
    rewritten(train, persons=[""] * 72)
    rewritten(test, persons=[""] * 24)
    probe(ledger, train, test, tmp_path / "p.json", SPEC.model_copy(update={"epochs": 1}))
    about = read_json(tmp_path / "p.json")
    assert about["test_people"] is None and about["results"][2]["ci_low"] is not None


def test_one_person_has_no_interval(tmp_path):
    ledger, train, test = dataset(tmp_path)
    rewritten(test, persons=["test0"] * 24)
    probe(ledger, train, test, tmp_path / "p.json", SPEC.model_copy(update={"epochs": 1}))
    assert [r["ci_low"] for r in read_json(tmp_path / "p.json")["results"]] == [None] * 4
    shown = CliRunner().invoke(cli.app, ["show", str(tmp_path / "p.json")])
    assert shown.exit_code == 0 and "[" not in shown.output.split("input")[1]


def test_latents_of_other_faces_are_an_error(tmp_path):
    ledger, train, test = dataset(tmp_path)
    rewritten(test, sample_ids=["stranger", *latent_views(test).sample_ids[1:]])
    with pytest.raises(FacetoryError, match=r"ledger\.csv: lacks stranger"):
        probe(ledger, train, test, tmp_path / "p.json", SPEC)


def test_a_changed_face_is_an_error(tmp_path):
    ledger, train, test = dataset(tmp_path)
    Image.new("RGB", (20, 20)).save(ledger.parent / "images" / "test0_0.png")
    with pytest.raises(FacetoryError, match=r"test0_0\.png: the file is truncated or changed"):
        probe(ledger, train, test, tmp_path / "p.json", SPEC)


def test_one_class_is_an_error(tmp_path):
    ledger, train, test = dataset(tmp_path)
    rewritten(train, labels=np.zeros(72, dtype=np.int64))
    with pytest.raises(FacetoryError, match="holds one class only"):
        probe(ledger, train, test, tmp_path / "p.json", SPEC)


def test_a_rule_runs_it_and_a_person_reads_it(tmp_path, probed, monkeypatch):
    ledger, train, test = dataset(tmp_path)
    asked = []
    monkeypatch.setattr("facetory.recognition.probes.probe", lambda *args: asked.append(args))
    options = ["--faces", ledger, "--train", train, "--test", test, "--px", 32, "--output", tmp_path / "p"]
    assert CliRunner().invoke(cli.app, ["run", *map(str, options)]).exit_code == 0
    assert asked == [(ledger, train, test, tmp_path / "p", ProbeSpec(px=32))]
    shown = CliRunner().invoke(cli.app, ["show", str(probed)], env={"COLUMNS": "140"}).output
    accuracy = read_json(probed)["results"][0]["accuracy"]
    assert "drawn" in shown and f"{100 * accuracy:.1f} [" in shown


def test_nothing_to_show_is_an_error():
    result = CliRunner().invoke(cli.app, ["show"])
    assert isinstance(result.exception, FacetoryError) and "no dataset was probed" in str(result.exception)
